#include "eval/bench/bench_attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "eval/bench/attention_peers.h"
#include "eval/bench/bench.h"
#include "eval/table.h"
#include "lait/base/available_cpus.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"
#include "lait/ops/ops.h"

namespace lait {
namespace {

using Batches = std::vector<std::vector<ExampleLengths>>;

struct Layout {
  std::string name;
  bool joined;  // a unit is an example, not a segment
  Batches batches;
};

std::vector<Layout> read_layouts(const std::filesystem::path& path, int64_t batch_size) {
  std::map<std::string, std::vector<ExampleLengths>> by_name;
  LineReader reader(path);
  int64_t number = 0;
  while (auto line = reader.next()) {
    ++number;
    if (line->empty() || line->front() == '#') continue;
    std::istringstream words(*line);
    std::string name;
    int64_t first = 0, second = 0;
    if (!(words >> name >> first >> second) || first < 1 || second < 1) {
      throw UserError(path.string() + ":" + std::to_string(number) +
                      ": expected \"name n1 n2\", got \"" + *line + "\"");
    }
    by_name[name].push_back({first, second});
  }
  if (by_name.empty()) throw UserError(path.string() + ": expected lines \"name n1 n2\", got none");
  std::vector<Layout> layouts;
  for (auto& [name, examples] : by_name) {
    std::stable_sort(
        examples.begin(), examples.end(),
        [](const ExampleLengths& a, const ExampleLengths& b) { return sum(a) < sum(b); });
    Batches batches;
    for (size_t i = 0; i < examples.size(); i += static_cast<size_t>(batch_size)) {
      batches.emplace_back(
          examples.begin() + static_cast<int64_t>(i),
          examples.begin() +
              static_cast<int64_t>(std::min(examples.size(), i + static_cast<size_t>(batch_size))));
    }
    layouts.push_back({name + " segments", false, batches});
    layouts.push_back({name + " examples", true, batches});
  }
  layouts.push_back({"uniform 512", true, {{4, ExampleLengths{512}}}});
  return layouts;
}

std::vector<int64_t> units_of(const Layout& layout, const std::vector<ExampleLengths>& batch) {
  std::vector<int64_t> units;
  for (const ExampleLengths& example : batch) {
    if (layout.joined) {
      units.push_back(sum(example));
    } else {
      units.insert(units.end(), example.begin(), example.end());
    }
  }
  return units;
}

using MakeWay = std::function<AttentionWay(const std::vector<ExampleLengths>&)>;

// Waits until the device has finished all submitted work.
void wait(at::Device device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// One turn of an implementation: all batches of the layout.
std::function<void()> turn_of(const Layout& layout, const MakeWay& make, bool backward,
                              at::Device device) {
  std::vector<AttentionWay> ways;
  std::vector<std::vector<at::Tensor>> gradients;
  for (const auto& batch : layout.batches) {
    ways.push_back(make(batch));
    at::NoGradGuard no_grad;
    gradients.emplace_back();
    for (const at::Tensor& out : ways.back().forward())
      gradients.back().push_back(at::randn_like(out));
  }
  return [=] {
    for (size_t i = 0; i < ways.size(); ++i) ways[i].run(backward, gradients[i]);
    wait(device);
  };
}

// The product of square matrices as the model computes it (in float if that is faster than the
// CPU's bf16).
struct SquareProduct {
  std::function<void()> run;
  double flops;
};
SquareProduct square_product(at::ScalarType dtype, at::Device device) {
  at::NoGradGuard no_grad;
  const int64_t size = device.is_cpu() ? 1536 : 8192;
  const auto options = at::TensorOptions().device(device);
  const at::Tensor weight = at::randn({size, size}, options), bias = at::zeros({size}, options);
  const at::Tensor x = weight.to(dtype), weight_shadow = weight.to(dtype),
                   bias_shadow = bias.to(dtype);
  auto run = [=] {
    at::NoGradGuard no_grad;
    ops::linear(x, weight, bias, weight_shadow, bias_shadow);
    wait(device);
  };
  return {run, 2.0 * std::pow(static_cast<double>(size), 3)};
}

}  // namespace

int bench_attention(const AttentionBench& bench) {
  const std::map<std::string, at::ScalarType> dtypes = {{"fp32", at::kFloat},
                                                        {"bf16", at::kBFloat16}};
  for (const std::string& name : bench.dtypes) {
    if (!dtypes.contains(name))
      throw UserError("--dtype: expected bf16 or fp32, got \"" + name + "\"");
  }
  const std::vector<Layout> layouts = read_layouts(bench.lengths, bench.batch);
  const at::Device device = resolve_device(bench.device, "--device");
  set_threads(bench.threads);
  const nlohmann::json head = bench_head(at::get_num_threads());
  fmt::print(
      "segment attention, {} heads, batches of {} examples sorted by length; {}, {} threads, {} "
      "build, on {}\n",
      bench.heads, bench.batch, cpu_name(), at::get_num_threads(), build_type(), device.str());
  nlohmann::json rows = nlohmann::json::array();
  const std::string packed_peer = device.is_cpu() ? "loop" : "flash";
  Table table{{"layout", "dtype", "D", "pass", "lait ms", "GFLOP/s", "of GEMM", "padded", "blocks",
               packed_peer},
              {},
              4};
  for (const std::string& dtype_name : bench.dtypes) {
    const at::ScalarType dtype = dtypes.at(dtype_name);
    const SquareProduct gemm = square_product(dtype, device);
    const double gemm_flops = gemm.flops / (1e-3 * measure(gemm.run, 1000).median);
    rows.push_back({{"bench", "gemm"},
                    {"case", "square"},
                    {"dtype", dtype_name},
                    {"impl", "lait::linear"},
                    {"flops_per_s", gemm_flops}});
    fmt::print("{} GEMM: {:.0f} GFLOP/s\n", dtype_name, gemm_flops / 1e9);
    for (const int64_t dim : bench.head_dims) {
      for (const Layout& layout : layouts) {
        double pairs = 0;
        bool several = false;
        for (const auto& batch : layout.batches) {
          for (const int64_t n : units_of(layout, batch))
            pairs += static_cast<double>(n) * static_cast<double>(n);
          several = several || batch.front().size() > 1;
        }
        const double product = 2 * pairs * static_cast<double>(dim * bench.heads);
        auto rows_of = [&](const std::vector<ExampleLengths>& batch) {
          std::vector<ExampleLengths> units;
          for (const int64_t n : units_of(layout, batch)) units.push_back({n});
          return units;
        };
        const AttentionShape shape{bench.heads, dim, dtype, device};
        std::vector<std::pair<std::string, MakeWay>> ways = {
            {"lait", [&](const auto& batch) { return packed_way(units_of(layout, batch), shape); }},
            {"padded",
             [&](const auto& batch) { return padded_way(rows_of(batch), false, shape); }}};
        if (device.is_cpu()) {
          ways.emplace_back(
              "loop", [&](const auto& batch) { return loop_way(units_of(layout, batch), shape); });
        } else if (dtype == at::kBFloat16) {
          ways.emplace_back("flash", [&](const auto& batch) {
            return flash_way(units_of(layout, batch), shape);
          });
        }
        if (!layout.joined && several) {
          ways.emplace_back("blocks",
                            [&](const auto& batch) { return padded_way(batch, true, shape); });
        }
        for (const bool backward : {false, true}) {
          std::vector<std::function<void()>> turns;
          turns.reserve(ways.size() + 1);
          for (const auto& [name, make] : ways)
            turns.push_back(turn_of(layout, make, backward, device));
          turns.push_back(gemm.run);
          const std::vector<Timing> timings = measure_in_turn(turns, bench.max_milliseconds, 3);
          std::map<std::string, Timing> times;
          for (size_t i = 0; i < ways.size(); ++i) times[ways[i].first] = timings[i];
          const Timing& ours = times["lait"];
          const double flops = product * (backward ? 7 : 2);
          const std::string pass = backward ? "forward+backward" : "forward";
          const double of_gemm = times_faster(ours, timings.back()) * flops / gemm.flops;
          nlohmann::json ratios = nlohmann::json::object();
          auto faster = [&](const std::string& peer) -> std::string {
            if (!times.contains(peer)) return "–";
            const double ratio = times_faster(ours, times[peer]);
            ratios[peer] = ratio;
            return fmt::format("{:.1f}×", ratio);
          };
          table.rows.push_back({layout.name, dtype_name, std::to_string(dim), pass,
                                fmt::format("{:.2f}", ours.median),
                                fmt::format("{:.1f}", flops / (1e6 * ours.median)),
                                fmt::format("{:.2f}", of_gemm), faster("padded"), faster("blocks"),
                                faster(packed_peer)});
          for (const auto& [name, timing] : times) {
            nlohmann::json row = bench_row("attention", layout.name, name, timing);
            row.update({{"dtype", dtype_name},
                        {"head_dim", dim},
                        {"pass", pass},
                        {"flops_per_s", flops / (1e-3 * timing.median)}});
            if (name == "lait") row.update({{"ratio_to", ratios}, {"of_gemm", of_gemm}});
            rows.push_back(row);
          }
        }
      }
    }
  }
  fmt::print("{}", format_plain(table));
  fmt::print(
      "padded, blocks, loop, flash: how many times faster lait is than a peer.\n"
      "padded: scaled_dot_product_attention on padded units; blocks: on padded examples with a\n"
      "dense block mask; loop: unit by unit; flash: FlashAttention-2 on the same packed units.\n"
      "GFLOP/s: of visible pairs (forward 2 products, backward 5).\n");
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
