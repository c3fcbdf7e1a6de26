#include "train/bench_cache.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

#include "eval/bench/bench.h"
#include "eval/table.h"
#include "lait/base/terminal.h"
#include "lait/model/threads.h"
#include "train/peer_process.h"
#include "train/rerank_texts.h"
#include "train/stored_case.h"

namespace lait {
namespace {

constexpr int kPairRepeats = 20;
constexpr int64_t kMemory = int64_t{2} << 30;  // for values in the compute type

// The first is compared with the model, bit by bit; the others by how far they are from it.
const ValueUse kUses[] = {
    {.name = "cached"},
    {.name = "cached int8", .type = ValueType::kInt8},
    {.name = "cached int8, in memory", .type = ValueType::kInt8, .memory_bytes = kMemory}};

// P from 0 to the layers of the model, and one-sided at half of them.
std::vector<NamedSchedule> schedules_of(const Model& model) {
  const int64_t layers = model->config.num_hidden_layers;
  const Reads reads = model->pack_plan(model->spec.schedule).reads;
  std::vector<NamedSchedule> out;
  for (int64_t p = 0; p <= layers; ++p) {
    const Schedule schedule = split_schedule(p, layers);
    if (p < layers || reads.rows != Reads::Rows::kFirst || reads.means != Reads::Means::kNone)
      out.push_back({fmt::format("P={}", p), schedule});
    Schedule one_sided = schedule;
    one_sided.back().updates = Updates::kFirst;
    if (p == layers / 2 && p > 0 && !reads_kept_rows(one_sided, reads))
      out.push_back({fmt::format("P={} one-sided", p), one_sided});
  }
  return out;
}

std::vector<Example> paired(const std::string& claim, const std::vector<std::string>& passages) {
  std::vector<Example> out;
  for (const std::string& passage : passages) out.emplace_back().segments = {claim, passage};
  return out;
}

}  // namespace

int bench_cache(const CacheBench& bench) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that ended is named
  set_threads(bench.threads);
  LoadedModel loaded = load_reranker(bench.checkpoint, bench.precision);
  const RerankTexts texts = rerank_texts(bench.passages, bench.num_passages, bench.claims);
  const std::vector<Example> stored = paired(texts.claims[0], texts.passages);
  const BenchFolder folder("cache");
  // Of each schedule one for each use, one after another.
  constexpr size_t kNumUses = std::size(kUses);
  std::vector<StoredCase> all;
  for (const NamedSchedule& schedule : schedules_of(loaded.model)) {
    const std::filesystem::path dir = folder.path / std::to_string(all.size());
    for (const ValueUse& use : kUses) all.emplace_back(loaded, schedule, use, dir);
  }
  for (StoredCase& measured : all) {
    measured.build(stored);
    show(fmt::format("lait-bench: {}: stored\n", measured.name()));
    if (measured.use().memory_bytes > 0 && !measured.fits_in_memory()) {
      show(
          fmt::format("lait-bench: {}: the passages' values do not fit into {} GB: each claim "
                      "converts them\n",
                      measured.name(), kMemory >> 30));
    }
  }
  std::optional<PeerScript> peer;
  std::string variant;
  if (!bench.python.empty()) {
    nlohmann::json settings{
        {"threads", at::get_num_threads()}, {"claims", texts.claims}, {"passages", texts.passages}};
    peer.emplace(bench.python, "rerank_peer.py", kRerankPeer,
                 std::vector<std::string>{loaded.dir.string()}, settings.dump());
    variant = nlohmann::json::parse(peer->process().read_line()).at("variant");
  }

  // The first claim warms up.
  std::vector<std::vector<double>> cached(all.size()), uncached(all.size()), pairs(all.size()),
      plain_pairs(all.size());
  std::vector<double> of_peer, changes(all.size()), spreads(all.size());
  for (size_t claim = 0; claim < texts.claims.size(); ++claim) {
    const std::vector<Example> examples = paired(texts.claims[claim], texts.passages);
    // Both segments are stored.
    const Example pair = stored[claim % stored.size()];
    const std::span<const Example> one(&pair, 1);
    const auto note = [&](std::vector<double>& times, double taken) {
      if (claim > 0) times.push_back(taken);
    };
    if (peer) {
      peer->process().write_line(std::to_string(claim));
      note(of_peer,
           1000 * nlohmann::json::parse(peer->process().read_line()).at("seconds").get<double>());
    }
    const size_t num_schedules = all.size() / kNumUses;
    for (size_t i = 0; i < num_schedules; ++i) {
      const size_t first = (i + claim) % num_schedules * kNumUses;
      at::Tensor computed;
      note(uncached[first], milliseconds_of([&] { computed = all[first].uncached(examples); }));
      for (int repeat = 0; repeat < kPairRepeats; ++repeat)
        note(plain_pairs[first], milliseconds_of([&] { all[first].uncached(one); }));
      for (size_t use = 0; use < kNumUses; ++use) {
        const size_t at = first + (use + claim) % kNumUses;
        at::Tensor from_store;
        note(cached[at], milliseconds_of([&] { from_store = all[at].cached(examples); }));
        spreads[at] = computed.numel() > 1 ? computed.std().item<double>() : 0;
        changes[at] = std::max(changes[at], (from_store - computed).abs().max().item<double>());
        if (all[at].use().type == ValueType::kAuto && !at::equal(from_store, computed)) {
          throw std::logic_error(all[at].name() + ": a score differs from that without a store");
        }
        for (int repeat = 0; repeat < kPairRepeats; ++repeat)
          note(pairs[at], milliseconds_of([&] { all[at].cached(one); }));
      }
    }
  }

  nlohmann::json head = bench_head(at::get_num_threads()), rows = nlohmann::json::array();
  head["model"] = loaded.dir.string();
  head["passages"] = texts.passages.size();
  head["dtype"] = c10::toString(loaded.model->compute_dtype);
  fmt::print("{}, {} threads, {}; {}, {}: a new claim against {} passages\n",
             head["cpu"].get<std::string>(), at::get_num_threads(),
             head["version"].get<std::string>(), loaded.dir.filename().string(),
             head["dtype"].get<std::string>(), texts.passages.size());
  const std::optional<Timing> peer_timing = peer ? std::optional(timing_of(of_peer)) : std::nullopt;
  Table table{.header = {"", "ms", "p99 ms", "times transformers", "times uncached"},
              .rows = {},
              .num_text_columns = 1};
  const auto add = [&](const std::string& name, const std::string& impl, const Timing& timing,
                       const Timing* without) {
    nlohmann::json row = bench_row("cache", name, impl, timing);
    row["ratio_to"] = nlohmann::json::object();
    const bool single = name.starts_with("single");
    if (peer_timing && !single)
      row["ratio_to"]["transformers"] = times_faster(timing, *peer_timing);
    if (without != nullptr) row["ratio_to"]["uncached"] = times_faster(timing, *without);
    const bool many = timing.repeats.size() >= 100;
    if (many) row["ms_p99"] = quantile(timing.repeats, 0.99);
    const auto ratio = [&](const char* to) {
      return row["ratio_to"].contains(to) ? fmt::format("{:.1f}", row["ratio_to"][to].get<double>())
                                          : "";
    };
    table.rows.push_back({name, fmt::format("{:.2f}", timing.median),
                          many ? fmt::format("{:.2f}", row["ms_p99"].get<double>()) : "",
                          ratio("transformers"), ratio("uncached")});
    rows.push_back(std::move(row));
  };
  if (peer_timing) add("transformers (" + variant + ")", "transformers", *peer_timing, nullptr);
  for (const bool single : {false, true}) {
    const std::string what = single ? "single pair, " : "";
    for (size_t i = 0; i < all.size(); ++i) {
      const Timing plain = timing_of((single ? plain_pairs : uncached)[i / kNumUses * kNumUses]);
      if (i % kNumUses == 0) add(what + all[i].schedule() + " uncached", "lait", plain, nullptr);
      add(what + all[i].name(), "lait", timing_of((single ? pairs : cached)[i]), &plain);
    }
  }
  Table stores{.header = {"store", "segments/s", "bytes/token", "MB", "read GB/s", "copy GB/s",
                          "logit change", "logit sd"},
               .rows = {},
               .num_text_columns = 1};
  for (size_t i = 0; i < all.size(); ++i) {
    const StoredCase& measured = all[i];
    if (measured.counts.computed == 0) continue;  // from the store of the one before
    const auto count = static_cast<double>(measured.counts.computed);
    const auto bytes = static_cast<double>(measured.counts.computed_bytes);
    const double per_token = bytes / static_cast<double>(measured.counts.computed_tokens);
    const std::string name = measured.schedule() + (i % kNumUses == 0 ? "" : " int8");
    stores.rows.push_back({name, fmt::format("{:.0f}", count / measured.build_seconds),
                           fmt::format("{:.0f}", per_token), fmt::format("{:.1f}", bytes / 1e6),
                           fmt::format("{:.2f}", measured.read_gb_per_s),
                           fmt::format("{:.2f}", measured.copy_gb_per_s),
                           fmt::format("{:.2g}", changes[i]), fmt::format("{:.2g}", spreads[i])});
    rows.push_back({{"bench", "cache"},
                    {"case", name + " store"},
                    {"impl", "lait"},
                    {"segments_per_s", count / measured.build_seconds},
                    {"bytes_per_token", per_token},
                    {"bytes", bytes},
                    {"read_gb_per_s", measured.read_gb_per_s},
                    {"copy_gb_per_s", measured.copy_gb_per_s},
                    {"largest_logit_change", changes[i]},
                    {"logit_sd", spreads[i]}});
  }
  fmt::print("{}\n{}", format_plain(table), format_plain(stores));
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
