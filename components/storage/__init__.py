"""Files on a local disk, in S3 and wherever TensorFlow's file layer reaches: one door for all of them."""
