#include "eval/cache_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "eval/store_faults.h"
#include "lait/base/file_writer.h"
#include "lait/base/terminal.h"

namespace lait {

void CacheOptions::add_to(CLI::App& app) {
  auto* cache = app.add_option("--cache", dir,
                               "folder of a segment store: what segments become before they meet "
                               "others is taken from it, and added to it");
  cache->option_text("DIR");
  app.add_flag("--exact", exact,
               "use only what a CPU or GPU and a LibTorch like these computed: the same bits")
      ->needs(cache);
}

void CacheOptions::add_limit_to(CLI::App& app) {
  app.add_option("--cache-bytes", max_bytes,
                 "what the store may take on the disk: the oldest files are dropped for new ones; "
                 "0: no limit")
      ->option_text("N[KB|MB|GB]")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->needs("--cache")
      ->capture_default_str();
}

StoreUse CacheOptions::open(Predictor& predictor, const std::string& program) {
  const StoreWriteOptions made{.made_by = made_here(predictor.model()), .max_bytes = max_bytes};
  StoreUse use{.exact = exact};
  try {
    use.store = std::make_shared<SegmentStore>(dir, made);
  } catch (const WriteError& error) {
    if (!std::filesystem::is_directory(dir)) throw;
    show(fmt::format("{}: {}; the store is only read\n", program, error.what()));
    use.store = std::make_shared<SegmentStore>(dir);
    use.read_only = true;
  }
  store = use.store;
  return use;
}

void CacheOptions::report(Predictor& predictor, const std::string& program) const {
  show_faults(program, *store);
  for (const std::string& maker : predictor.values()->other_makers()) {
    show(
        fmt::format("{}: {} has values that were computed by {}; scores may differ in their last "
                    "digits (--exact computes these segments again)\n",
                    program, dir, maker));
  }
}

}  // namespace lait
