#include "eval/options.h"

#include <CLI/CLI.hpp>

#include "eval/choices.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"

namespace lait {

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("--precision", precision_name, "compute precision; auto: bf16 where it is faster")
      ->check(CLI::IsMember(choice_names<Precision>()))
      ->capture_default_str();
  app.add_option("--device", device_name, "where to run")
      ->check(CLI::IsMember(choice_names<DeviceKind>()))
      ->capture_default_str();
  app.add_option("--threads", threads, "CPU threads; 0: one for each core that the process may use")
      ->option_text("N")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  app.add_option("--batch-size", batch_size, "examples per batch; affects speed and memory only")
      ->option_text("N")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_flag("--quiet", quiet, "no progress: results, warnings and errors only");
}

const char* ModelOptions::synopsis() {
  return "[--precision auto|bf16|fp32] [--device auto|cpu|cuda] [--threads N] [--batch-size N] "
         "[--quiet]";
}

void ModelOptions::apply() const {
  set_threads(threads);
  resolve_device(device(), "--device");
}

Precision ModelOptions::precision() const { return choice_of<Precision>(precision_name); }
DeviceKind ModelOptions::device() const { return choice_of<DeviceKind>(device_name); }

}  // namespace lait
