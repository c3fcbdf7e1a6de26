#include "eval/options.h"

#include <CLI/CLI.hpp>

#include "lait/config/enum_names.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"

namespace lait {
namespace {

template <class E>
std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& [name, value] : names_of<E>()) out.push_back(name);
  return out;
}

template <class E>
E parse(const std::string& text) {
  for (const auto& [name, value] : names_of<E>()) {
    if (text == name) return value;
  }
  throw std::logic_error("unchecked option value " + text);
}

}  // namespace

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("--precision", precision_name, "compute precision; auto: bf16 where it is faster")
      ->check(CLI::IsMember(names<Precision>()))
      ->capture_default_str();
  app.add_option("--device", device_name, "where to run")
      ->check(CLI::IsMember(names<DeviceKind>()))
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

Precision ModelOptions::precision() const { return parse<Precision>(precision_name); }
DeviceKind ModelOptions::device() const { return parse<DeviceKind>(device_name); }

}  // namespace lait
