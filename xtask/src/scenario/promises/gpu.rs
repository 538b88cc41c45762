//! The promises of `gpu`.

use crate::scenario::Applies::{Always, WithoutGpu};
use crate::scenario::{Promise, gpu};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "gpu.late-driver",
        sentence: "when the GPU's driver loads late, Ollama is restarted and gets the GPU",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::late_driver::check,
    },
    Promise {
        id: "gpu.survives-daemon-reload",
        sentence: "Ollama's container still has the GPU's devices after systemctl daemon-reload",
        scenario: "gpu",
        applies: Always,
        check: gpu::survives_daemon_reload::check,
    },
    Promise {
        id: "gpu.cpu-reported",
        sentence: "an Ollama that computes on the CPU beside a GPU is restarted once; if that does not help, the login banner says so",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::on_the_cpu::check,
    },
    Promise {
        id: "gpu.empty-list",
        sentence: "when the driver lists no GPU, Ollama starts on the CPU",
        scenario: "gpu",
        applies: WithoutGpu,
        check: gpu::empty_list::check,
    },
];
