// The operators as Python sees them: opcheck and gradcheck (tests/oracles/op_checks.py).
#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

TEST(OperatorsFromPython, PassOpcheckAndGradcheck) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const TemporaryFolder folder;
  const auto log = folder / "log.txt";
  oracle::run("op_checks.py", "'" LAIT_BUILD_DIR "/lib/liblait_ops.so'", log, oracle::sanitizer());
  const std::string text = read_file(log);
  for (const char* check :
       {"gradcheck segment_attention plain", "gradcheck segment_attention causal_bias",
        "gradcheck segment_attention dropout_bias", "gradcheck segment_attention rows read",
        "opcheck segment_attention strided", "opcheck segment_attention torch.bfloat16",
        "gradcheck dropout_add", "gradcheck gather_rows", "gradcheck unit_mean"}) {
    EXPECT_NE(text.find(std::string(check) + ": passed"), std::string::npos) << check << "\n"
                                                                             << text;
  }
}

}  // namespace
}  // namespace lait
