"""The PyTorch source model: network, data, loop, export. The only home of torch and onnx."""
