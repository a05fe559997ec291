"""The images: MNIST and other IDX sets, and digits from photos and scans."""
