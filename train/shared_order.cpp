#include "train/shared_order.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "train/shuffle.h"

namespace lait {
namespace {

// Streams of shuffle; the sampler's are 0 and 1.
constexpr uint32_t kExamples = 2, kParts = 3, kGroups = 4;

using Examples = std::vector<int64_t>;

// How often each sequence occurs in the examples.
std::vector<int64_t> occurrences(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.num_sequences());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const int32_t sequence : dataset.example(i).sequences) ++counts[sequence];
  }
  return counts;
}

// The example's two sequences whose repeats have the most tokens, the first one first; -1: none is
// repeated.
std::array<int32_t, 2> most_valuable(const Dataset& dataset, const std::vector<int64_t>& counts,
                                     int64_t example) {
  std::array<int32_t, 2> best{-1, -1};
  std::array<int64_t, 2> value{0, 0};
  for (const int32_t sequence : dataset.example(example).sequences) {
    const int64_t saved = dataset.length(sequence) * (counts[sequence] - 1);
    if (sequence == best[0] || sequence == best[1]) continue;
    if (saved > value[0]) {
      best = {sequence, best[0]};
      value = {saved, value[0]};
    } else if (saved > value[1]) {
      best[1] = sequence;
      value[1] = saved;
    }
  }
  return best;
}

// The values of the map, shuffled.
template <class Key, class Value>
std::vector<Value> shuffled(std::map<Key, Value> parts, uint64_t seed, uint32_t epoch,
                            uint32_t stream) {
  std::vector<Value> values;
  for (auto& [key, value] : parts) values.push_back(std::move(value));
  shuffle(values, seed, epoch, stream);
  return values;
}

// The groups' examples in their order.
std::vector<Examples> shuffled_groups(const Dataset& dataset, uint64_t seed, uint32_t epoch) {
  const std::vector<int64_t> counts = occurrences(dataset);
  Examples order(dataset.size());
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, seed, epoch, kExamples);
  // By the first and the second sequence; an example that shares none is a group of its own.
  std::map<std::pair<int32_t, int64_t>, std::map<int32_t, Examples>> groups;
  for (const int64_t i : order) {
    const auto [first, second] = most_valuable(dataset, counts, i);
    groups[{first, first < 0 ? i : 0}][second].push_back(i);
  }
  std::map<std::pair<int32_t, int64_t>, Examples> flat;
  for (auto& [key, parts] : groups) {
    const auto stream = kParts | static_cast<uint32_t>(key.first + 1) << 8;
    for (const Examples& part : shuffled(std::move(parts), seed, epoch, stream))
      flat[key].insert(flat[key].end(), part.begin(), part.end());
  }
  return shuffled(std::move(flat), seed, epoch, kGroups);
}

struct Lane {
  Examples examples{};
  size_t taken = 0;
  int64_t left() const { return std::ssize(examples) - static_cast<int64_t>(taken); }
};

// How many of the next `room` examples each lane gives: at least one, and beyond that in proportion
// to what it has left, so that the lanes end together.
std::vector<int64_t> shares_of(const std::vector<Lane>& lanes, int64_t room) {
  int64_t rest = 0, open = 0;
  for (const Lane& lane : lanes) {
    rest += lane.left();
    open += lane.left() > 0;
  }
  std::vector<int64_t> shares;
  for (const Lane& lane : lanes) {
    const int64_t left = lane.left();
    open -= left > 0;
    const int64_t fair = rest == 0 ? 0 : (room * left + rest / 2) / rest;
    // What is kept for the lanes behind this one.
    const int64_t kept = std::min(open, std::max<int64_t>(0, room - 1));
    shares.push_back(
        std::clamp<int64_t>(fair, std::min<int64_t>({1, left, room}), std::min(left, room - kept)));
    room -= shares.back();
    rest -= left;
  }
  return shares;
}

}  // namespace

bool shares_segments(const Dataset& dataset, const TrainingConfig& config) {
  if (config.share_segments != ShareSegments::kAuto)
    return config.share_segments == ShareSegments::kOn;
  int64_t all = 0, distinct = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) all += dataset.example_length(i);
  for (int32_t s = 0; s < dataset.num_sequences(); ++s) distinct += dataset.length(s);
  return 2 * distinct < all;
}

std::vector<int64_t> shared_order(const Dataset& dataset, int64_t batch_examples, uint64_t seed,
                                  uint32_t epoch) {
  std::vector<Lane> lanes(kFewestGroups);
  for (const Examples& group : shuffled_groups(dataset, seed, epoch)) {
    Lane& shortest = *std::ranges::min_element(lanes, {}, &Lane::left);
    shortest.examples.insert(shortest.examples.end(), group.begin(), group.end());
  }
  std::vector<int64_t> order;
  while (std::ssize(order) < dataset.size()) {
    std::vector<int64_t> shares = shares_of(lanes, batch_examples);
    // By turns, so that a batch that ends earlier has all lanes, too.
    while (std::ranges::any_of(shares, [](int64_t share) { return share > 0; })) {
      for (size_t lane = 0; lane < lanes.size(); ++lane) {
        if (shares[lane]-- > 0) order.push_back(lanes[lane].examples[lanes[lane].taken++]);
      }
    }
  }
  return order;
}

}  // namespace lait
