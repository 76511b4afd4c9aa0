# docker build -t smiletrack .
# docker run --rm -v "$PWD:/data" smiletrack track --data MOT17/train --detections yolox_x
FROM python:3.12-slim

# OpenCV's wheels want these from the system; their versions follow the base image
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# all, or some of train,video,tune,cross-check,openvino
ARG EXTRAS=all
COPY pyproject.toml README.md LICENSE /source/
COPY smiletrack /source/smiletrack
COPY configs /source/configs
RUN pip install --no-cache-dir "/source[${EXTRAS}]" && rm -r /source

RUN useradd --uid 1000 --create-home tracker
USER 1000
WORKDIR /data
ENTRYPOINT ["smiletrack"]
CMD ["--help"]
