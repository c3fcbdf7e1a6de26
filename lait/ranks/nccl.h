// The part of the CUDA library that adds NCCL to a group of ranks. It is loaded, not linked.
#pragma once
#include <chrono>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace lait {

using AddNccl = void(const c10::intrusive_ptr<c10d::ProcessGroup>& group,
                     const c10::intrusive_ptr<c10d::Store>& store,
                     std::chrono::milliseconds timeout);
inline constexpr const char* kAddNccl = "lait_add_nccl";

}  // namespace lait
