#include "eval/cache_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "eval/choices.h"
#include "eval/store_faults.h"
#include "lait/base/file_writer.h"
#include "lait/base/terminal.h"

namespace lait {

void CacheTypeOption::add_to(CLI::App& app) {
  app.add_option("--cache-type", name,
                 "type that values of segments are kept in, part of what finds them; auto: the "
                 "compute type, which changes no score; int8: a third or less of the bytes")
      ->check(CLI::IsMember(choice_names<ValueType>()))
      ->capture_default_str();
}

ValueType CacheTypeOption::type() const { return choice_of<ValueType>(name); }

void CacheOptions::add_to(CLI::App& app) {
  auto* cache = app.add_option("--cache", dir,
                               "folder of a segment store: what segments become before they meet "
                               "others is taken from it, and added to it");
  cache->option_text("DIR");
  app.add_flag("--exact", exact,
               "use only what a CPU or GPU and a LibTorch like these computed: the same bits")
      ->needs(cache);
  type.add_to(app);
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

StoreUse open_store(const std::filesystem::path& dir, const StoreWriteOptions& made, bool exact,
                    const std::function<void(const std::string&)>& warn) {
  StoreUse use{.exact = exact};
  try {
    use.store = std::make_shared<SegmentStore>(dir, made);
  } catch (const WriteError& error) {
    if (!std::filesystem::is_directory(dir)) throw;
    warn(std::string(error.what()) + "; the store is only read");
    use.store = std::make_shared<SegmentStore>(dir);
    use.read_only = true;
  }
  return use;
}

StoreUse CacheOptions::open(Predictor& predictor, const std::string& program) {
  StoreUse use =
      open_store(dir, {.made_by = made_here(predictor.model()), .max_bytes = max_bytes}, exact,
                 [&](const std::string& text) { show(fmt::format("{}: {}\n", program, text)); });
  use.type = type.type();
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
