#include "lait/ranks/pulse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>
#include <vector>

#include "lait/base/this_process.h"

namespace lait {
namespace {

constexpr std::chrono::milliseconds kBeat{500};
// A rank without a beat for so long is lost.
constexpr int kBeatsToWait = 10;

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

constexpr const char* kLostKey = "lost";
std::string sign_key(int rank) { return fmt::format("sign/{}", rank); }
std::string name_key(int rank) { return fmt::format("name/{}", rank); }

}  // namespace

Pulse::Pulse(c10::intrusive_ptr<c10d::Store> store, int rank, int size)
    : store_(std::move(store)), rank_(rank), size_(size) {
  store_->set(name_key(rank), bytes_of(this_process()));
  beat();
  thread_ = std::thread([this] { run(); });
}

Pulse::~Pulse() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Pulse::beat() {
  store_->set(sign_key(rank_), bytes_of(fmt::format("{} {}", ++beats_, waits_.load())));
}

// Where the store does not answer: whoever waits for other ranks finds that out by itself.
void Pulse::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kBeat, [&] { return stop_; })) {
    try {
      beat();
    } catch (const std::exception&) {
    }
  }
}

Pulse::Sign Pulse::sign_of(int rank) {
  const std::lock_guard lock(mutex_);
  std::istringstream in(text_of(store_->get(sign_key(rank))));
  Sign sign;
  in >> sign.beats >> sign.waits;
  return sign;
}

std::string Pulse::name_of(int rank) {
  const std::lock_guard lock(mutex_);
  return fmt::format("rank {} ({})", rank, text_of(store_->get(name_key(rank))));
}

std::string Pulse::find_lost(bool timed_out) {
  const auto known = [&]() -> std::string {
    const std::lock_guard lock(mutex_);
    return store_->check({kLostKey}) ? text_of(store_->get(kLostKey)) : "";
  };
  if (std::string lost = known(); !lost.empty()) return lost;
  std::string found = search(timed_out);
  if (found.empty()) return "";
  if (std::string lost = known(); !lost.empty()) return lost;
  const std::lock_guard lock(mutex_);
  store_->set(kLostKey, bytes_of(found));
  return found;
}

std::string Pulse::search(bool timed_out) {
  std::vector<Sign> first;
  std::vector<int> silent, behind;
  for (int rank = 0; rank < size_; ++rank) {
    first.push_back(sign_of(rank));
    if (rank == rank_) continue;
    silent.push_back(rank);
    if (timed_out && first.back().waits < waits_) behind.push_back(rank);
  }
  for (int i = 0; i < kBeatsToWait && !silent.empty(); ++i) {
    std::this_thread::sleep_for(kBeat);
    std::erase_if(silent, [&](int rank) { return sign_of(rank).beats > first[rank].beats; });
  }
  std::vector<std::string> names;
  for (const int rank : silent.empty() ? behind : silent) names.push_back(name_of(rank));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace lait
