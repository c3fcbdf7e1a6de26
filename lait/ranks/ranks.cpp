// Gloo's part of c10d is declared only with this.
#define USE_C10D_GLOO 1
#include "lait/ranks/ranks.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>

#include "lait/ranks/nccl.h"
#include "lait/ranks/pulse.h"

namespace lait {
namespace {

constexpr size_t kBroadcastBytes = size_t{64} << 20;
// A store that does not answer a question for so long is gone.
constexpr std::chrono::seconds kStoreAnswers{20};
// For so long rank 0 keeps the store after another rank is lost.
constexpr std::chrono::seconds kLastWords{3};

c10::intrusive_ptr<c10d::Store> connect(const RankPlace& place, std::chrono::milliseconds timeout,
                                        bool listens) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.isServer = listens;
  options.waitWorkers = false;
  options.timeout = timeout;
  // After a restart, the store still has what the processes before left in it.
  return c10::make_intrusive<c10d::PrefixStore>(
      fmt::format("lait/{}", place.restarts),
      c10::make_intrusive<c10d::TCPStore>(place.address, options));
}

c10::intrusive_ptr<c10d::Store> part_of(const c10::intrusive_ptr<c10d::Store>& store,
                                        const char* name) {
  return c10::make_intrusive<c10d::PrefixStore>(name, store);
}

std::string meeting_point(const RankPlace& place) {
  return fmt::format("{}:{} ({})", place.address, place.port,
                     place.launcher_listens ? "torchrun's agent" : "rank 0");
}

// Without the backtrace that LibTorch adds, and without the place in the source that Gloo puts in
// front.
std::string reason(const std::exception& error) {
  const auto* ours = dynamic_cast<const c10::Error*>(&error);
  std::string text = ours == nullptr ? error.what() : ours->what_without_backtrace();
  text.resize(std::min(text.size(), text.find('\n')));
  if (const size_t place = text.find("] "); text.starts_with('[') && place != std::string::npos)
    text.erase(0, place + 2);
  return text;
}

}  // namespace

struct Ranks::Connection {
  Connection(const RankPlace& place, std::chrono::milliseconds limit)
      : timeout(limit),
        store(connect(place, limit, place.rank == 0 && !place.launcher_listens)),
        pulse(part_of(connect(place, limit, false), "pulse"), place.rank, place.size),
        group(c10::make_intrusive<c10d::ProcessGroup>(part_of(store, "group"), place.rank,
                                                      place.size)) {
    using Gloo = c10d::ProcessGroupGloo;
    using Backend = c10d::ProcessGroup::BackendType;
    // On one machine it needs no name of the machine, and no way through a firewall. Else it reads
    // GLOO_SOCKET_IFNAME.
    auto options = place.local_size == place.size ? Gloo::Options::create(limit)
                                                  : Gloo::Options::create_default(limit);
    if (options->devices.empty())
      options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
    group->setBackend(
        c10::DeviceType::CPU, Backend::GLOO,
        c10::make_intrusive<Gloo>(part_of(store, "gloo"), place.rank, place.size, options));
    group->setDefaultBackend(Backend::GLOO);
  }

  std::chrono::milliseconds timeout;
  c10::intrusive_ptr<c10d::Store> store;
  Pulse pulse;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
};

Ranks::Ranks() = default;

Ranks::Ranks(const RankPlace& place, std::chrono::seconds timeout) : place_(place) {
  if (place.size == 1) return;
  // c10d logs every lost connection with a backtrace; RankLost says it in one line.
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  try {
    connection_ = std::make_unique<Connection>(place, timeout);
  } catch (const std::exception& error) {
    throw UserError(fmt::format(
        "rank {} of {}: cannot meet the other ranks at {} within {} s (distributed.timeout): {}; "
        "check that all were started and that MASTER_ADDR and MASTER_PORT lead there",
        place.rank, place.size, meeting_point(place), timeout.count(), reason(error)));
  }
}

Ranks::~Ranks() = default;

const c10::intrusive_ptr<c10d::ProcessGroup>& Ranks::group() const {
  static const c10::intrusive_ptr<c10d::ProcessGroup> kNone;
  return connection_ == nullptr ? kNone : connection_->group;
}

at::Device Ranks::use_device(at::Device device) {
  if (connection_ == nullptr || !device.is_cuda()) return device;
  const c10::impl::VirtualGuardImpl gpus(at::kCUDA);
  // Launchers may show each process its own GPU only.
  const int index = gpus.deviceCount() == 1 ? 0 : place_.local_rank;
  if (index >= gpus.deviceCount()) {
    throw UserError(
        fmt::format("training.device: expected a GPU for each of the {} ranks on this "
                    "machine, got {}; start fewer, or set CUDA_VISIBLE_DEVICES",
                    place_.local_size, gpus.deviceCount()));
  }
  const at::Device mine(at::kCUDA, static_cast<at::DeviceIndex>(index));
  gpus.setDevice(mine);
  // In the CUDA library, which is loaded already.
  const auto add = reinterpret_cast<AddNccl*>(dlsym(RTLD_DEFAULT, kAddNccl));
  TORCH_CHECK(add != nullptr, "liblait_cuda.so has no ", kAddNccl);
  add(connection_->group, part_of(connection_->store, "nccl"), connection_->timeout);
  return mine;
}

void Ranks::sum(at::Tensor& tensor) {
  if (connection_ == nullptr) return;
  wait([&] {
    std::vector<at::Tensor> tensors{tensor};
    connection_->group->allreduce(tensors)->wait();
  });
}

int64_t Ranks::max(int64_t value) {
  if (connection_ == nullptr) return value;
  std::vector<at::Tensor> tensors{at::full({1}, value, at::kLong)};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  wait([&] { connection_->group->allreduce(tensors, options)->wait(); });
  return tensors[0].item<int64_t>();
}

void Ranks::broadcast(const std::vector<at::Tensor>& tensors, int from) {
  if (connection_ == nullptr || tensors.empty()) return;
  const at::NoGradGuard no_grad;
  wait([&] { c10d::broadcast_coalesced(connection_->group, tensors, kBroadcastBytes, from); });
}

std::vector<at::Tensor> Ranks::gather(const at::Tensor& rows) {
  if (connection_ == nullptr) return {rows};
  std::vector<at::Tensor> counts, out;
  for (int rank = 0; rank < size(); ++rank) counts.push_back(at::empty({1}, at::kLong));
  const auto all = [&](at::Tensor mine, const std::vector<at::Tensor>& of_ranks) {
    std::vector<std::vector<at::Tensor>> outputs{of_ranks};
    std::vector<at::Tensor> inputs{std::move(mine)};
    wait([&] { connection_->group->allgather(outputs, inputs)->wait(); });
  };
  all(at::full({1}, rows.size(0), at::kLong), counts);
  int64_t most = 0;
  for (const at::Tensor& count : counts) most = std::max(most, count.item<int64_t>());
  auto sizes = rows.sizes().vec();
  sizes[0] = most - rows.size(0);
  const at::Tensor padded = at::cat({rows.detach(), at::zeros(sizes, rows.options())});
  for (int rank = 0; rank < size(); ++rank) out.push_back(at::empty_like(padded));
  if (most > 0) all(padded, out);
  for (int rank = 0; rank < size(); ++rank)
    out[rank] = out[rank].narrow(0, 0, counts[rank].item<int64_t>());
  return out;
}

std::vector<std::string> Ranks::gather(const std::string& text) {
  const auto size = static_cast<int64_t>(text.size());
  std::string copy = text;
  std::vector<std::string> out;
  for (const at::Tensor& bytes : gather(at::from_blob(copy.data(), {size}, at::kByte)))
    out.emplace_back(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()), bytes.numel());
  return out;
}

void Ranks::together(const std::function<void()>& body) {
  if (connection_ == nullptr) return body();
  std::string problem;
  std::exception_ptr mine;
  try {
    body();
  } catch (const RankLost&) {
    throw;
  } catch (const std::exception& error) {
    problem = dynamic_cast<const UserError*>(&error) != nullptr ? error.what() : reason(error);
    mine = std::current_exception();
  }
  const std::vector<std::string> problems = gather(problem);
  const auto first = std::ranges::find_if(problems, [](const auto& text) { return !text.empty(); });
  if (first == problems.end()) return;
  if (!is_first()) throw SaidByAnotherRank(*first);
  const auto rank = first - problems.begin();
  if (rank == 0) std::rethrow_exception(mine);
  throw UserError(fmt::format("rank {}: {}", rank, *first));
}

void Ranks::wait(const std::function<void()>& body) {
  if (connection_ == nullptr) return body();
  connection_->pulse.begin_wait();
  const auto began = std::chrono::steady_clock::now();
  try {
    body();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    explain(error, std::chrono::steady_clock::now() - began >= connection_->timeout);
  }
}

// Called while `error` is handled.
void Ranks::explain(const std::exception& error, bool timed_out) {
  // The store may hang too. Then the search is left alone.
  std::packaged_task<std::string()> search(
      [this, timed_out] { return connection_->pulse.find_lost(timed_out); });
  std::future<std::string> found = search.get_future();
  std::thread(std::move(search)).detach();
  const std::string store = "the meeting point " + meeting_point(place_);
  std::string lost = store;
  if (found.wait_for(kStoreAnswers) == std::future_status::ready) {
    try {
      lost = found.get();
    } catch (const std::exception&) {
      lost = store;
    }
  }
  if (lost.empty()) throw;
  // The others ask the store too.
  if (is_first() && !place_.launcher_listens && size() > 2) std::this_thread::sleep_for(kLastWords);
  throw RankLost(
      fmt::format("rank {} of {}: {} ended, or did not answer for {} s (distributed.timeout): {}",
                  rank(), size(), lost, connection_->timeout.count() / 1000, reason(error)));
}

}  // namespace lait
