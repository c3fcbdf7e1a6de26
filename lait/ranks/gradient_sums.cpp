#include "lait/ranks/gradient_sums.h"

#include <algorithm>
#include <torch/csrc/distributed/c10d/reducer.hpp>

namespace lait {

GradientSums::GradientSums(Ranks& ranks, std::vector<at::Tensor> leaves) : ranks_(ranks) {
  if (ranks.size() == 1) return;
  // Backward computes the last leaves' gradients first, so theirs is the first bucket, which is
  // small. The buckets stay as they are: other ones would add up in another order.
  std::ranges::reverse(leaves);
  const auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
      leaves, {c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap}));
  const std::vector<bool> sparse(leaves.size(), false);
  reducer_ = std::make_unique<c10d::Reducer>(
      std::move(leaves), buckets, ranks.group(), sparse, c10d::kDefaultBucketBytesCap,
      /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
      std::unordered_map<size_t, std::string>{}, c10d::kDefaultFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      std::vector<int64_t>{});
}

GradientSums::~GradientSums() = default;

void GradientSums::last_backward(const at::Tensor& loss) {
  if (reducer_ == nullptr) return loss.backward();
  ranks_.wait([&] {
    reducer_->prepare_for_backward({});
    loss.backward();
  });
}

}  // namespace lait
