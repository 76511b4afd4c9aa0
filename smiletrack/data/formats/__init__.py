"""Tracks as other programs write and read them: KITTI, VisDrone, CVAT, video COCO, tables of rows."""
