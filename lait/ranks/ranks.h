// What the processes of a run exchange: sums, texts, tensors. c10d does it, through Gloo on the
// host and NCCL on GPUs. One process is the same code with nothing to send.
//
// All ranks must call the same functions in the same order. A rank that waits for one that ended,
// or for longer than the timeout, throws RankLost, which names it.
#pragma once
#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "lait/base/error.h"
#include "lait/ranks/launcher.h"

namespace c10d {
class ProcessGroup;
}

namespace lait {

// Other ranks are gone, so this one cannot go on. Destructors of what they shared may wait for
// them: end the process with std::_Exit.
struct RankLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The error is another rank's, which has printed it.
struct SaidByAnotherRank : UserError {
  using UserError::UserError;
};

class Ranks {
 public:
  Ranks();  // one process
  // Waits for the others. Throws UserError if they do not come, or are not to be reached.
  Ranks(const RankPlace& place, std::chrono::seconds timeout);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  const RankPlace& place() const { return place_; }
  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  bool is_first() const { return place_.rank == 0; }
  // This rank's device of that kind, on which tensors can be exchanged from here on; those on the
  // CPU always can. Throws UserError if the machine has fewer GPUs than ranks.
  at::Device use_device(at::Device device);

  // In place. Equal on all ranks, to the bit.
  void sum(at::Tensor& tensor);
  int64_t max(int64_t value);
  // All tensors become those of one rank.
  void broadcast(const std::vector<at::Tensor>& tensors, int from = 0);
  // Of every rank, in their order. The tensors are on the CPU, of one type, and differ at most in
  // their first dimension.
  std::vector<at::Tensor> gather(const at::Tensor& rows);
  std::vector<std::string> gather(const std::string& text);
  // Calls body on every rank. If it throws on any, all ranks throw: rank 0 the error of the first
  // of them (UserError if that is another one), the others SaidByAnotherRank. If body calls
  // functions of this class, it must not throw between them on some ranks only.
  void together(const std::function<void()>& body);
  // Calls body, which waits for other ranks. Throws RankLost where it fails because one is lost.
  void wait(const std::function<void()>& body);

  // Null for one process.
  const c10::intrusive_ptr<c10d::ProcessGroup>& group() const;

 private:
  struct Connection;
  [[noreturn]] void explain(const std::exception& error, bool timed_out);

  RankPlace place_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace lait
