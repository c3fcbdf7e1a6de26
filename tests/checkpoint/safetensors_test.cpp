// The safetensors reader and writer: round trips, and the same bytes as Hugging Face's library.
#include "lait/checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "lait/base/files.h"
#include "tests/model/counting_tensors.h"
#include "tests/model/damaged_files.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

TEST(Safetensors, RoundTripOfAllDtypes) {
  TemporaryFolder dir;
  auto tensors = one_of_each();
  tensors.emplace_back("strange \" \\ \n \x01 é/\u2028", at::ones({2}));
  tensors.emplace_back("", at::zeros({1}));
  write_safetensors(dir / "a.safetensors", tensors);
  const SafetensorsFile file(dir / "a.safetensors");
  EXPECT_EQ(file.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(same(file.tensor(name), tensor)) << name;
  EXPECT_FALSE(std::filesystem::exists(dir / "a.safetensors.writing"));
}

TEST(Safetensors, KeepsEveryBitOfSpecialValues) {
  TemporaryFolder dir;
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor special = at::tensor({std::nan(""), infinity, -infinity, -0.0, 5e-324});
  write_safetensors(dir / "a", {{"x", special}});
  EXPECT_TRUE(same(SafetensorsFile(dir / "a").tensor("x"), special));
}

TEST(Safetensors, WritesViewsAsTheyLook) {
  TemporaryFolder dir;
  const at::Tensor whole = counting(at::kFloat, {6, 4});
  write_safetensors(dir / "a", {{"transposed", whole.t()},
                                {"narrow", whole.narrow(0, 2, 2)},
                                {"repeated", at::ones({1}).expand({3})}});
  const SafetensorsFile file(dir / "a");
  EXPECT_TRUE(same(file.tensor("transposed"), whole.t()));
  EXPECT_TRUE(same(file.tensor("narrow"), whole.narrow(0, 2, 2)));
  EXPECT_TRUE(same(file.tensor("repeated"), at::ones({3})));
}

TEST(Safetensors, FilesWithoutTensors) {
  TemporaryFolder dir;
  write_safetensors(dir / "a", {});
  EXPECT_TRUE(SafetensorsFile(dir / "a").tensors().empty());
  for (const char* header : {"{}      ", R"({"__metadata__":{"note":"é"}})"}) {  // other programs'
    write_file(dir / "b", safetensors_bytes(header));
    EXPECT_TRUE(SafetensorsFile(dir / "b").tensors().empty()) << header;
  }
  EXPECT_EQ(read_file(dir / "a"), safetensors_bytes(R"({"__metadata__":{"format":"pt"}})"));
}

TEST(Safetensors, BytesDoNotDependOnTheOrderGiven) {
  TemporaryFolder dir;
  auto tensors = one_of_each();
  write_safetensors(dir / "a", tensors);
  std::ranges::reverse(tensors);
  write_safetensors(dir / "b", tensors);
  EXPECT_EQ(read_file(dir / "a"), read_file(dir / "b"));
  const std::string bytes = read_file(dir / "a");
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);  // the data start aligned
  EXPECT_EQ(bytes.substr(8, 34), R"({"__metadata__":{"format":"pt"},"L)");
}

TEST(Safetensors, SameBytesAsHuggingFace) {
  if (!std::filesystem::exists(oracle::python()))
    GTEST_SKIP() << "no Python at " << oracle::python().string() << "; `make test` makes it";
  TemporaryFolder dir;
  auto tensors = one_of_each();
  tensors.emplace_back("strange \" \\ \n \x01 é/", at::ones({2}));
  write_safetensors(dir / "ours.safetensors", tensors);
  const auto script =
      dir.write("again.py",
                "import safetensors.torch as s, sys\n"
                "s.save_file(s.load_file(sys.argv[1]), sys.argv[2], {'format': 'pt'})\n");
  const std::string command = "'" + oracle::python().string() + "' '" + script.string() + "' '" +
                              (dir / "ours.safetensors").string() + "' '" +
                              (dir / "theirs.safetensors").string() + "' > '" +
                              (dir / "log").string() + "' 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(dir / "log");
  EXPECT_EQ(read_file(dir / "ours.safetensors"), read_file(dir / "theirs.safetensors"));
}

TEST(Safetensors, ATensorKeepsTheMapAlive) {
  TemporaryFolder dir;
  at::Tensor view;
  {
    write_safetensors(dir / "a", {{"x", counting(at::kFloat, {1000})}});
    view = SafetensorsFile(dir / "a").tensor("x").narrow(0, 500, 10);
    std::filesystem::remove(dir / "a");
  }
  EXPECT_TRUE(same(view, counting(at::kFloat, {1000}).narrow(0, 500, 10)));
}

TEST(Safetensors, DataThatAreNotAligned) {
  TemporaryFolder dir;
  std::string data(4, '\0');
  const float one = 1;
  std::memcpy(data.data(), &one, sizeof(one));
  std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  for (int spaces = 0; spaces < 4; ++spaces, header += ' ') {
    EXPECT_TRUE(same(SafetensorsFile(dir.write("a", safetensors_bytes(header, data))).tensor("x"),
                     at::ones({1})))
        << spaces;
  }
}

TEST(Safetensors, WriterRefusesWhatItCannotSay) {
  TemporaryFolder dir;
  dir.write("a", "before");
  EXPECT_THROW(
      write_safetensors(dir / "a", {{"x", at::ones({1})}, {"x", at::ones({1}, at::kLong)}}),
      std::runtime_error);
  EXPECT_THROW(write_safetensors(dir / "a", {{"__metadata__", at::ones({1})}}), std::runtime_error);
  EXPECT_THROW(write_safetensors(dir / "a", {{"x", at::zeros({1}, at::kComplexFloat)}}),
               std::runtime_error);
  EXPECT_THROW(write_safetensors(dir / "a", {{"x", at::Tensor()}}), std::runtime_error);
  EXPECT_EQ(read_file(dir / "a"), "before");
  std::filesystem::create_directory(dir / "folder");
  dir.write("folder/file", "");
  EXPECT_THROW(write_safetensors(dir / "folder", {{"x", at::ones({1})}}), std::runtime_error);
  EXPECT_FALSE(std::filesystem::exists(dir / "folder.writing"));
  EXPECT_THROW(write_safetensors(dir / "a/below", {}), std::runtime_error);
}

}  // namespace
}  // namespace lait
