"""Running the pipeline on Kubeflow. Nothing imports this layer."""
