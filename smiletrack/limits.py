"""The limits of what is read from files: what a file claims is compared with them before memory or time is spent.

What is beyond a limit is a damaged file, a wrong number, or one made to eat the machine; it is refused in one line.
`.github/SECURITY.md` lists them, and a test compares.
"""

LARGEST_NUMBER = 2.0**53
"""Whole numbers of files, such as frames and identities, are smaller in size: beyond it float64 does not hold all."""

LONGEST_NAME = 200
"""Bytes of a name out of a file of which a path is made; file systems have 255, endings take some."""

MAX_FRAMES = 10_000_000
"""Frames of a sequence: four days of 30 frames a second."""

MOST_MISSING_IMAGES = 100_000
"""Frames without an image in a sequence that is imported or looked at."""

LONGEST_SIDE = 1_000_000
"""Width and height in px that an annotation file may tell of an image."""

LARGEST_IMAGE = 2**27
"""Pixels of a picture or a frame of a video that is decoded, 400 MB."""

LARGEST_INPUT = 2**24
"""Pixels of the input of a network, 4096 x 4096."""

MOST_IMAGES = 64
"""Images in the fixed batch of a network file."""

MOST_CLASSES = 10_000
"""Classes of a detector's checkpoint, and of YOLO's labels."""

MOST_CORNERS = 10_000
"""Numbers in a polygon of YOLO's labels."""

MOST_BOXES = 10_000_000
"""Boxes that the keyframes of a CVAT file stand for."""

LARGEST_ARCHIVE = 2**33
"""Bytes that the arrays of an .npz take in memory: four million detections with 1024 numbers each."""

ARCHIVE_GROWTH = 64
"""How many times its size an .npz may unpack to, as rows of zeros pack well, if that is more than SMALL_ARCHIVE."""

SMALL_ARCHIVE = 2**28
"""Bytes that any .npz may unpack to."""

CHECKPOINT_GROWTH = 2
"""How many times a checkpoint's size its tensors may take in memory; tied weights are why it is more than once."""

CHECKPOINT_SLACK = 2**16
"""Bytes that are allowed on top: small tensors share storages, small archives have long directories."""

CHECKPOINT_WORD = 20_000
"""Characters of a checkpoint's names, and of its texts between two blanks."""

YAML_CHARACTERS = 1_000_000
"""Characters of a configuration."""

YAML_VALUES = 100_000
"""Values of a configuration with every alias written out: nine lines of aliases can stand for a billion."""

YAML_DEPTH = 40
"""Mappings and lists inside one another in a configuration; the deepest that is shipped has seven."""

LARGEST_RECORD = 64_000_000
"""Bytes of a JSON file of a run folder; the figures of a thousand sequences take 5 MB."""

LARGEST_XML = 2**28
"""Bytes of an XML file."""

XML_DEPTH = 64
"""Elements inside one another in an XML file."""

MATLAB_MEMORY = 2**32
"""Bytes of address space of the process that reads .mat and .vbb files."""

MATLAB_SECONDS = 120.0
"""Seconds that it may take for one of them; CUHK-SYSU's largest takes five."""

MOST_OF_ALL_PAIRS = 2**22
"""Pairs of all tracks and detections of a frame, such as 2048 of each, beyond which only overlapping ones are seen."""

MOST_PAIRS = 2**24
"""Overlapping pairs in a frame that is tracked; they take 800 MB."""
