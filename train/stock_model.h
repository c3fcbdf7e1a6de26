// transformers' stock model on the tokens of a run, in the pair format: a co-process that
// lait-bench measures (stock_model_peer.py).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "train/peer_process.h"
#include "train/run_inputs.h"

namespace lait {

class StockModel {
 public:
  // Lets it choose its fastest variant. Throws UserError if the Python does not start, or ends.
  StockModel(const std::string& python, const RunInputs& in, bool predicts,
             const std::vector<std::vector<int64_t>>& batches);

  // Why it cannot run; "" if it can.
  const std::string& problem() const { return problem_; }
  // What it chose: "bf16, greedy".
  const std::string& variant() const { return variant_; }
  // Of a training step's forward on the largest batch, without weights; 0 if it predicts.
  int64_t saved_bytes() const { return saved_bytes_; }
  // All batches once.
  void run();
  // Of its process in the last run.
  int64_t peak_bytes() const { return peak_bytes_; }

 private:
  PeerScript script_;
  std::string problem_, variant_;
  int64_t saved_bytes_ = 0, peak_bytes_ = 0;
};

}  // namespace lait
