"""smiletrack: training and evaluation of multi-object trackers."""
