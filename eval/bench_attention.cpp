#include "eval/bench_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "eval/bench.h"
#include "eval/table.h"
#include "lait/error.h"
#include "lait/files.h"
#include "lait/ops/ops.h"

namespace lait {
namespace {

using Example = std::vector<int64_t>;  // lengths of its segments
using Batches = std::vector<std::vector<Example>>;

struct Layout {
  std::string name;
  bool joined;  // a unit is an example, not a segment
  Batches batches;
};

int64_t sum(const Example& example) {
  int64_t total = 0;
  for (const int64_t n : example) total += n;
  return total;
}

std::vector<Layout> read_layouts(const std::filesystem::path& path, int64_t batch_size) {
  std::map<std::string, std::vector<Example>> by_name;
  LineReader reader(path);
  int64_t number = 0;
  while (auto line = reader.next()) {
    ++number;
    if (line->empty() || line->front() == '#') continue;
    std::istringstream words(*line);
    std::string name;
    int64_t first = 0, second = 0;
    if (!(words >> name >> first >> second) || first < 1 || second < 1) {
      throw UserError(path.string() + ":" + std::to_string(number) + ": expected \"name n1 n2\", got \"" + *line + "\"");
    }
    by_name[name].push_back({first, second});
  }
  if (by_name.empty()) throw UserError(path.string() + ": expected lines \"name n1 n2\", it has none");
  std::vector<Layout> layouts;
  for (auto& [name, examples] : by_name) {
    std::stable_sort(examples.begin(), examples.end(), [](const Example& a, const Example& b) { return sum(a) < sum(b); });
    Batches batches;
    for (size_t i = 0; i < examples.size(); i += static_cast<size_t>(batch_size)) {
      batches.emplace_back(examples.begin() + static_cast<int64_t>(i),
                           examples.begin() + static_cast<int64_t>(std::min(examples.size(), i + static_cast<size_t>(batch_size))));
    }
    layouts.push_back({name + " segments", false, batches});
    layouts.push_back({name + " examples", true, batches});
  }
  layouts.push_back({"uniform 512", true, {{4, Example{512}}}});
  return layouts;
}

std::vector<int64_t> units_of(const Layout& layout, const std::vector<Example>& batch) {
  std::vector<int64_t> units;
  for (const Example& example : batch) {
    if (layout.joined) {
      units.push_back(sum(example));
    } else {
      units.insert(units.end(), example.begin(), example.end());
    }
  }
  return units;
}

// One way to compute a batch: makes its inputs once, then runs; `backward` also takes the gradients of the inputs.
struct Way {
  std::vector<at::Tensor> inputs;
  std::function<std::vector<at::Tensor>()> forward;

  void run(bool backward, const std::vector<at::Tensor>& gradients) const {
    if (!backward) {
      at::NoGradGuard no_grad;
      forward();
      return;
    }
    const auto out = forward();
    torch::autograd::grad(out, inputs, gradients);
  }
};

Way packed(const std::vector<int64_t>& units, int64_t heads, int64_t dim, at::ScalarType dtype) {
  std::vector<int32_t> offsets = {0};
  for (const int64_t n : units) offsets.push_back(offsets.back() + static_cast<int32_t>(n));
  const at::Tensor qkv = at::randn({offsets.back(), 3, heads, dim}).to(dtype).requires_grad_();
  const at::Tensor on_device = at::empty({static_cast<int64_t>(offsets.size())}, at::kInt);
  std::copy(offsets.begin(), offsets.end(), on_device.mutable_data_ptr<int32_t>());
  const ops::AttentionUnits all{on_device, on_device, std::nullopt, std::nullopt};
  const double scale = 1 / std::sqrt(static_cast<double>(dim));
  return {{qkv}, [=]() -> std::vector<at::Tensor> {
            const auto parts = qkv.unbind(1);
            return {ops::segment_attention(parts[0], parts[1], parts[2], all, scale, {})};
          }};
}

at::Tensor heads_first(int64_t rows, int64_t heads, int64_t n, int64_t dim, at::ScalarType dtype) {
  return at::randn({3, rows, heads, n, dim}).to(dtype).requires_grad_();
}

// Each row padded to the longest and masked where it is shorter; `blocks`: its parts see only themselves, by a dense mask.
Way padded(const std::vector<Example>& rows, bool blocks, int64_t heads, int64_t dim, at::ScalarType dtype) {
  int64_t longest = 0;
  bool ragged = blocks;
  for (const Example& row : rows) longest = std::max(longest, sum(row));
  for (const Example& row : rows) ragged = ragged || sum(row) < longest;
  const auto count = static_cast<int64_t>(rows.size());
  std::optional<at::Tensor> mask;
  if (ragged) {
    mask = at::empty({count, 1, blocks ? longest : 1, longest}, at::kBool).fill_(false);
    for (int64_t i = 0; i < count; ++i) {
      int64_t begin = 0;
      for (const int64_t n : rows[static_cast<size_t>(i)]) {
        at::Tensor part = mask->select(0, i).narrow(2, begin, n);
        if (blocks) part = part.narrow(1, begin, n);
        part.fill_(true);
        begin += n;
      }
      if (blocks && begin < longest) mask->select(0, i).narrow(1, begin, longest - begin).narrow(2, 0, 1).fill_(true);  // no NaN
    }
  }
  const at::Tensor qkv = heads_first(count, heads, longest, dim, dtype);
  return {{qkv}, [=]() -> std::vector<at::Tensor> { 
            const auto parts = qkv.unbind(0);
            return {at::scaled_dot_product_attention(parts[0], parts[1], parts[2], mask)};
          }};
}

Way loop(const std::vector<int64_t>& units, int64_t heads, int64_t dim, at::ScalarType dtype) {
  Way way;
  for (const int64_t n : units) way.inputs.push_back(heads_first(1, heads, n, dim, dtype));
  way.forward = [inputs = way.inputs] {
    std::vector<at::Tensor> out;
    for (const at::Tensor& qkv : inputs) {
      const auto parts = qkv.unbind(0);
      out.push_back(at::scaled_dot_product_attention(parts[0], parts[1], parts[2]));
    }
    return out;
  };
  return way;
}

using MakeWay = std::function<Way(const std::vector<Example>&)>;

Timing time_way(const Layout& layout, const MakeWay& make, bool backward, double max_milliseconds) {
  std::vector<Way> ways;
  std::vector<std::vector<at::Tensor>> gradients;
  for (const auto& batch : layout.batches) {
    ways.push_back(make(batch));
    at::NoGradGuard no_grad;
    gradients.emplace_back();
    for (const at::Tensor& out : ways.back().forward()) gradients.back().push_back(at::randn(out.sizes()).to(out.scalar_type()));
  }
  return measure([&] { for (size_t i = 0; i < ways.size(); ++i) ways[i].run(backward, gradients[i]); }, max_milliseconds, 3);
}

double gemm_flops(at::ScalarType dtype) {
  at::NoGradGuard no_grad;
  constexpr int64_t kSize = 1536;
  const at::Tensor a = at::randn({kSize, kSize}).to(dtype), b = at::randn({kSize, kSize}).to(dtype);
  return 2.0 * kSize * kSize * kSize / (1e-3 * measure([&] { at::mm(a, b); }, 1000).median);
}

}  // namespace

int bench_attention(const AttentionBench& bench) {
  const std::map<std::string, at::ScalarType> dtypes = {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}};
  for (const std::string& name : bench.dtypes) {
    if (!dtypes.contains(name)) throw UserError("--dtype: expected bf16 or fp32, got \"" + name + "\"");
  }
  const std::vector<Layout> layouts = read_layouts(bench.lengths, bench.batch);
  if (bench.threads > 0) at::set_num_threads(static_cast<int>(bench.threads));
  const nlohmann::json head = bench_head(at::get_num_threads());
  fmt::print("segment attention, {} heads, batches of {} examples sorted by length; {}, {} threads, {} build\n", bench.heads,
             bench.batch, cpu_name(), at::get_num_threads(), build_type());
  nlohmann::json rows = nlohmann::json::array();
  Table table{{"layout", "dtype", "D", "pass", "lait ms", "GFLOP/s", "of GEMM", "padded", "blocks", "loop"}, {}, 4};
  for (const std::string& dtype_name : bench.dtypes) {
    const at::ScalarType dtype = dtypes.at(dtype_name);
    const double gemm = gemm_flops(dtype);
    rows.push_back({{"bench", "gemm"}, {"case", "1536"}, {"dtype", dtype_name}, {"impl", "libtorch"}, {"flops_per_s", gemm}});
    fmt::print("{} GEMM: {:.0f} GFLOP/s\n", dtype_name, gemm / 1e9);
    for (const int64_t dim : bench.head_dims) {
      for (const Layout& layout : layouts) {
        double pairs = 0;
        bool several = false;
        for (const auto& batch : layout.batches) {
          for (const int64_t n : units_of(layout, batch)) pairs += static_cast<double>(n) * static_cast<double>(n);
          several = several || batch.front().size() > 1;
        }
        const double product = 2 * pairs * static_cast<double>(dim * bench.heads);
        auto rows_of = [&](const std::vector<Example>& batch) {
          std::vector<Example> units;
          for (const int64_t n : units_of(layout, batch)) units.push_back({n});
          return units;
        };
        std::vector<std::pair<std::string, MakeWay>> ways = {
            {"lait", [&](const auto& batch) { return packed(units_of(layout, batch), bench.heads, dim, dtype); }},
            {"padded", [&](const auto& batch) { return padded(rows_of(batch), false, bench.heads, dim, dtype); }},
            {"loop", [&](const auto& batch) { return loop(units_of(layout, batch), bench.heads, dim, dtype); }}};
        if (!layout.joined && several) {
          ways.emplace_back("blocks", [&](const auto& batch) { return padded(batch, true, bench.heads, dim, dtype); });
        }
        for (const bool backward : {false, true}) {
          std::map<std::string, Timing> times;
          for (const auto& [name, make] : ways) times[name] = time_way(layout, make, backward, bench.max_milliseconds);
          const double ours = times["lait"].median, flops = product * (backward ? 7 : 2) / (1e-3 * ours);
          const std::string pass = backward ? "forward+backward" : "forward";
          nlohmann::json ratios = nlohmann::json::object();
          auto times_faster = [&](const std::string& peer) -> std::string {
            if (!times.contains(peer)) return "–";
            ratios[peer] = times[peer].median / ours;
            return fmt::format("{:.1f}×", times[peer].median / ours);
          };
          table.rows.push_back({layout.name, dtype_name, std::to_string(dim), pass, fmt::format("{:.2f}", ours), fmt::format("{:.1f}", flops / 1e9),
                                fmt::format("{:.2f}", flops / gemm), times_faster("padded"), times_faster("blocks"), times_faster("loop")});
          for (const auto& [name, timing] : times) {
            nlohmann::json row = bench_row("attention", layout.name, name, timing);
            row.update({{"dtype", dtype_name}, {"head_dim", dim}, {"pass", pass},
                        {"flops_per_s", product * (backward ? 7 : 2) / (1e-3 * timing.median)}});
            if (name == "lait") row["ratio_to"] = ratios;
            rows.push_back(row);
          }
        }
      }
    }
  }
  fmt::print("{}", format_plain(table));
  fmt::print("padded, blocks, loop: how many times faster lait is than scaled_dot_product_attention on padded units, on examples\n"
            "with a dense block mask, and unit by unit. GFLOP/s: of visible pairs (forward 2 products, backward 5).\n");
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
