"""What has a run of its own, that the image has of another process?"""
