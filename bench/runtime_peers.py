"""The runtimes that run a graph: ONNX Runtime and OpenVINO, which reads its own form too, without torch.

Inputs and outputs are bound once, so no pass pays for a copy between Python and the runtime.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

MODEL = "model.onnx"


class OnnxRuntimeForward:
    """ONNX Runtime on the CPU with every graph optimisation."""

    def __init__(self, folder: Path, threads: int, model: str = MODEL) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(
            str(folder / model), options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        for name, array in load_file(folder / "input.safetensors").items():
            self._binding.bind_cpu_input(name, array)
        (output,) = self._session.get_outputs()
        self._output = onnxruntime.OrtValue.ortvalue_from_numpy(
            np.empty(output.shape, dtype=np.float32)
        )
        self._binding.bind_ortvalue_output(output.name, self._output)

    def __call__(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def save(self, path: Path) -> None:
        self()
        save_file({"output": self.output()}, path)

    def output(self) -> np.ndarray:
        """The last pass's result."""
        return self._output.numpy()


class OpenVinoForward:
    """OpenVINO on the CPU for latency, held to float32."""

    def __init__(self, folder: Path, threads: int, model: str = MODEL) -> None:
        import openvino
        from openvino import properties
        from openvino.properties import hint

        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(folder / model),
            "CPU",
            {
                properties.inference_num_threads(): threads,
                hint.performance_mode(): hint.PerformanceMode.LATENCY,
                hint.inference_precision(): openvino.Type.f32,
            },
        )
        self._request = compiled.create_infer_request()
        self._inputs = load_file(folder / "input.safetensors")
        for name, array in self._inputs.items():
            self._request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def __call__(self) -> None:
        self._request.start_async()
        self._request.wait()

    def save(self, path: Path) -> None:
        self()
        save_file({"output": self.output()}, path)

    def output(self) -> np.ndarray:
        """The last pass's result."""
        return np.ascontiguousarray(self._request.get_output_tensor().data)
