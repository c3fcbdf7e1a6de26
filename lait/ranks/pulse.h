// Signs of life. Each rank counts up in the store; who waits in vain can tell which rank stopped
// counting.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace lait {

class Pulse {
 public:
  // `store` is used by this object alone.
  Pulse(c10::intrusive_ptr<c10d::Store> store, int rank, int size);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  // This rank begins to wait for the others once more. All ranks do so equally often.
  void begin_wait() { ++waits_; }
  // The ranks that no longer count; if there are none and this rank has timed out, those that have
  // waited less often than this one: "rank 1 (pid 71 on node3)". "": none. All ranks that ask get
  // the answer of the first one, since those that ask later would also miss it. Takes a few
  // seconds. Throws where the store does not answer.
  std::string find_lost(bool timed_out);

 private:
  struct Sign {
    int64_t beats = 0, waits = 0;
  };
  void beat();
  void run();
  std::string search(bool timed_out);
  Sign sign_of(int rank);
  std::string name_of(int rank);

  c10::intrusive_ptr<c10d::Store> store_;
  const int rank_, size_;
  std::atomic<int64_t> waits_ = 0;
  int64_t beats_ = 0;
  std::mutex mutex_;  // of store_ and stop_
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace lait
