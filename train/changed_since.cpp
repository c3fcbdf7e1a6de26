// Which changes of a config make it another run's.
#include <algorithm>

#include "lait/config/read.h"
#include "lait/config/write.h"
#include "train/run.h"

namespace lait {

std::vector<std::string> changed_since(const std::filesystem::path& dir, const Config& config) {
  constexpr std::string_view kFree[] = {"output.dir",
                                        "output.keep",
                                        "output.hf_code",
                                        "training.log_every",
                                        "training.checkpoint_every",
                                        "training.threads",
                                        "training.max_tokens_per_device",
                                        "training.recompute",
                                        "training.shard_optimizer",
                                        "distributed.timeout",
                                        "cache.dir",
                                        "cache.exact",
                                        "cache.max_bytes"};
  std::vector<std::string> changed = changed_fields(read_config(dir / "config.yaml", {}), config);
  std::erase_if(changed, [&](const std::string& name) {
    return std::ranges::find(kFree, name) != std::end(kFree);
  });
  return changed;
}

}  // namespace lait
