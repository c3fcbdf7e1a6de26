#include "train/same_inputs.h"

#include <c10/core/DeviceType.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "lait/base/error.h"
#include "lait/config/field_values.h"
#include "lait/config/write.h"

namespace lait {
namespace {

// What may differ between machines.
constexpr std::string_view kOfAMachine[] = {"model.path",
                                            "data.train",
                                            "data.validation",
                                            "data.test",
                                            "data.bodies",
                                            "data.corpus",
                                            "data.wiki_pages",
                                            "output.dir",
                                            "training.distill.teacher",
                                            "training.distill.data",
                                            "output.keep",
                                            "training.device",
                                            "training.precision",
                                            "training.threads",
                                            "distributed.timeout"};

std::string description(const RunInputs& in, at::Device device, at::ScalarType precision) {
  std::vector<std::string> names = field_names();
  std::erase_if(names, [](const std::string& name) {
    return std::ranges::find(kOfAMachine, name) != std::end(kOfAMachine);
  });
  std::string text = write_fields(in.config, names);
  for (const auto& [name, split] : splits(in))
    text += fmt::format("data.{} with the checksum {:08x}\n", name, split->dataset->checksum());
  return text + fmt::format("precision {} on {}\n", precision == at::kBFloat16 ? "bf16" : "fp32",
                            c10::DeviceTypeName(device.type(), /*lower_case=*/true));
}

}  // namespace

void check_same_inputs(const RunInputs& in, at::Device device, at::ScalarType precision,
                       Ranks& ranks) {
  if (ranks.size() == 1) return;
  const std::string mine = description(in, device, precision);
  const std::string of_first = ranks.gather(mine).front();
  ranks.together([&] {
    std::istringstream expected(of_first), got(mine);
    for (std::string a, b; std::getline(expected, a) && std::getline(got, b);) {
      if (a == b) continue;
      throw UserError(
          fmt::format("expected what rank 0 has ({}), got {}; give all machines the "
                      "same config and data",
                      a.substr(a.find_first_not_of(' ')), b.substr(b.find_first_not_of(' '))));
    }
    if (of_first != mine) throw UserError("expected the splits of rank 0, got others");
  });
}

}  // namespace lait
