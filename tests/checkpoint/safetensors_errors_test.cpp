// Invalid safetensors files: each one is either read completely or refused with one line that says
// where and why.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/checkpoint/safetensors.h"
#include "tests/model/counting_tensors.h"
#include "tests/model/damaged_files.h"

namespace lait {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Opens the file and reads all of it; only a UserError may be thrown.
void read_all(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  for (const TensorInfo& info : file.tensors()) {
    const at::Tensor copy = file.tensor(info.name).clone();
    ASSERT_EQ(copy.nbytes(), info.end - info.begin);
  }
}

std::string error_of(const TemporaryFolder& dir, const std::string& bytes) {
  const auto path = dir.write("x.safetensors", bytes);
  const std::string error = lait::error_of([&] { read_all(path); });
  EXPECT_THAT(error,
              AllOf(::testing::StartsWith(path.string() + ": "), HasSubstr("expected "),
                    HasSubstr(", got "),
                    ::testing::EndsWith("; the file is truncated or damaged, fetch it again"),
                    Not(HasSubstr("\n"))));
  EXPECT_LT(error.size(), path.string().size() + 400);
  return error;
}

TEST(SafetensorsErrors, TruncatedAnywhere) {
  TemporaryFolder dir;
  write_safetensors(dir / "whole",
                    {{"a", counting(at::kFloat, {2, 3})}, {"b", counting(at::kByte, {3})}});
  const std::string whole = read_file(dir / "whole");
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    error_of(dir, whole.substr(0, size));
  }
  EXPECT_THAT(error_of(dir, whole + '\0'),
              HasSubstr("expected a file of " + std::to_string(whole.size()) + " bytes, got " +
                        std::to_string(whole.size() + 1) + " bytes"));
}

TEST(SafetensorsErrors, HeaderLength) {
  TemporaryFolder dir;
  const auto with_length = [&](uint64_t length) {
    return error_of(dir, std::string(reinterpret_cast<const char*>(&length), 8) + "{}");
  };
  EXPECT_THAT(
      with_length(uint64_t{1} << 63),
      HasSubstr("expected a header of at most 33554432 bytes, got 9223372036854775808 bytes"));
  EXPECT_THAT(with_length(UINT64_MAX), HasSubstr("got 18446744073709551615 bytes"));
  EXPECT_THAT(with_length(UINT64_MAX - 7), HasSubstr("expected a header of at most"));
  EXPECT_THAT(with_length(kMaxJsonBytes),
              HasSubstr("expected a header of 33554432 bytes, got 2 bytes"));
  EXPECT_THAT(with_length(3), HasSubstr("expected a header of 3 bytes, got 2 bytes"));
  EXPECT_THAT(with_length(1), HasSubstr("expected JSON"));
  EXPECT_THAT(with_length(0), HasSubstr("expected a JSON object as header"));
}

struct BadHeader {
  const char* header;
  const char* error;
};

TEST(SafetensorsErrors, HeadersThatLie) {
  TemporaryFolder dir;
  const std::string data(16, '\x02');
  const BadHeader cases[] = {
      {R"([])", "expected a JSON object as header"},
      {R"({"x":1})", "tensor 'x': expected an object for each name, got 1"},
      {R"({"x":{}})", "tensor 'x': expected dtype, shape and data_offsets, got fewer"},
      {R"({"x":{"dtype":"F32","shape":[4]}})", "expected dtype, shape and data_offsets, got fewer"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0]}})",
       "expected two data_offsets, got 1"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16,16]}})",
       "expected two data_offsets, got 3"},
      {R"({"x":{"dtype":"F33","shape":[4],"data_offsets":[0,16]}})", "got 'F33'"},
      {R"({"x":{"dtype":"f32","shape":[4],"data_offsets":[0,16]}})",
       "expected a dtype of {I64, F64, F32, I32, BF16, F16, I16, I8, U8, BOOL}, got 'f32'"},
      {R"({"x":{"dtype":5,"shape":[4],"data_offsets":[0,16]}})", "expected text as dtype, got 5"},
      {R"({"x":{"dtype":"F32","shape":4,"data_offsets":[0,16]}})",
       "expected an array as shape, got 4"},
      {R"({"x":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}})",
       "expected whole numbers as shape, got -4"},
      {R"({"x":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}})",
       "expected whole numbers as shape, got 4.0"},
      {R"({"x":{"dtype":"F32","shape":[[4]],"data_offsets":[0,16]}})",
       "expected whole numbers as shape, got an array"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,"16"]}})",
       "expected whole numbers as data_offsets, got '16'"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":{"0":16}}})",
       "expected an array as data_offsets, got an object"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}})",
       "tensor 'x': expected data within the file's 16 bytes, got data_offsets [16, 0)"},
      {R"({"x":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}})",
       "expected data within the file's 16 bytes, got data_offsets [0, 20)"},
      {R"({"x":{"dtype":"F32","shape":[4],)"
       R"("data_offsets":[18446744073709551600,18446744073709551615]}})",
       "expected data within the file's 16 bytes"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551616]}})",
       "expected whole numbers as data_offsets"},
      {R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}})",
       "tensor 'x': expected 12 bytes for its shape, got 16 bytes"},
      {R"({"x":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})",
       "expected a shape of less than 2^63 elements, got more"},
      {R"({"x":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,0]}})",
       "expected a shape of less than 2^63 elements"},
      {R"({"x":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})",
       "expected a shape of less than 2^63 elements"},
      {R"({"x":{"dtype":"U8","shape":[18446744073709551615,0],"data_offsets":[0,0]}})",
       "expected a shape of less than 2^63 elements"},
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("y":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})",
       "tensor 'y': expected its data at offset 8, where the one before ends, got 4"},
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("y":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})",
       "tensor 'y': expected its data at offset 8, where the one before ends, got 12"},
      {R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})",
       "tensor 'x': expected its data at offset 0"},
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "bytes, got "},
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       "header: expected each key once, got 'x' twice"},
      {R"({"x":{"dtype":"F32","shape":[4],"shape":[4],"data_offsets":[0,16]}})",
       "header: expected each key once, got 'shape' twice"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"stride":[1]}})",
       "expected dtype, shape and data_offsets, got 'stride'"},
      {"{\"x\":{\"data_\x7F\":[0,16]}}",
       "expected dtype, shape and data_offsets, got 'data_\\u007f'"},
      {R"({"x":{"dtype":"BOOL","shape":[16],"data_offsets":[0,16]}})",
       "tensor 'x': expected bytes 0 and 1 for BOOL, got others"},
      {R"({"__metadata__":{"a":1}})", "tensor '__metadata__': expected text, got 1"},
      {R"({"__metadata__":{"a":"b","a":"b"}})", "expected each key once, got 'a' twice"},
      {R"({"__metadata__":{"a":{}}})", "expected text, got an object"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}})",
       "header: expected JSON, got something else at byte"},
      {R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},})", "header: expected JSON"},
      {R"( {"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
       "expected a JSON object as header"},
      {"\xEF\xBB\xBF{}", "expected a JSON object as header"},
      {"{\"\xFF\":{}}", "header: expected JSON"},
      {R"({"x":{"dtype":"F32","shape":[1e999],"data_offsets":[0,16]}})", "header: expected JSON"},
      {R"({"\u0000a\nb":1})", "tensor '\\u0000a\\nb': expected an object"},
  };
  for (const BadHeader& c : cases) {
    SCOPED_TRACE(c.header);
    EXPECT_THAT(error_of(dir, safetensors_bytes(c.header, data)), HasSubstr(c.error));
  }
}

TEST(SafetensorsErrors, DtypesOfOtherModelsAreNamed) {
  TemporaryFolder dir;
  for (const std::string name : {"F8_E4M3", "F8_E5M2", "U32", "C64"}) {
    const std::string header = R"({"x":{"dtype":")" + name + R"(","shape":[2],"data_offsets":)";
    const auto path = dir.write("x.safetensors", safetensors_bytes(header + "[0,2]}}", "ab"));
    EXPECT_EQ(lait::error_of([&] { read_all(path); }),
              path.string() + ": tensor 'x': expected a dtype of F32, BF16, F16 or F64, got " +
                  name + "; use a checkpoint whose weights are not quantised");
  }
}

TEST(SafetensorsErrors, AGitLfsPointer) {
  TemporaryFolder dir;
  const auto path =
      dir.write("x.safetensors",
                "version https://git-lfs.github.com/spec/v1\n"
                "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
                "size 90868376\n");
  EXPECT_EQ(lait::error_of([&] { read_all(path); }),
            path.string() + ": expected the file, got a git-lfs pointer to it; run git lfs pull");
}

TEST(SafetensorsErrors, BytesBehindANul) {
  TemporaryFolder dir;
  EXPECT_THAT(error_of(dir, safetensors_bytes(std::string("{}\0garbage", 10))),
              HasSubstr("header: expected JSON, got a NUL byte at byte 3"));
}

TEST(SafetensorsErrors, DeepAndLongHeaders) {
  TemporaryFolder dir;
  const size_t many = 1'000'000;
  error_of(dir, safetensors_bytes(std::string(many, '[')));
  error_of(dir, safetensors_bytes("{\"x\":" + std::string(many, '[')));
  std::string objects;
  for (size_t i = 0; i < many; ++i) objects += "{\"x\":";
  error_of(dir, safetensors_bytes(objects));
  std::string ones = R"({"x":{"dtype":"U8","data_offsets":[0,1],"shape":[1)";
  for (size_t i = 0; i < 64; ++i) ones += ",1";
  EXPECT_THAT(error_of(dir, safetensors_bytes(ones + "]}}", "a")),
              HasSubstr("expected at most 64 dimensions, got 65"));
  EXPECT_THAT(error_of(dir, safetensors_bytes("{\"" + std::string(many, 'n') + "\":7}")),
              HasSubstr("nnn...': expected an object"));
}

TEST(SafetensorsErrors, PathsThatAreNoFiles) {
  TemporaryFolder dir;
  EXPECT_THAT(lait::error_of([&] { SafetensorsFile(dir / "none"); }),
              HasSubstr((dir / "none").string()));
  EXPECT_THAT(lait::error_of([&] { SafetensorsFile(dir.path()); }), HasSubstr(dir.path().string()));
  write_safetensors(dir / "a", {{"x", at::ones({1})}});
  EXPECT_EQ(lait::error_of([&] { SafetensorsFile(dir / "a").tensor("y"); }),
            (dir / "a").string() + ": expected a tensor 'y', got none of that name");
}

// Any file is either read completely or refused with a UserError.
TEST(SafetensorsErrors, MutatedFiles) {
  TemporaryFolder dir;
  write_safetensors(dir / "whole", one_of_each());
  const std::string whole = read_file(dir / "whole");
  const size_t header_end = 8 + *reinterpret_cast<const uint64_t*>(whole.data());
  constexpr const char* kPieces[] = {"[",
                                     "]",
                                     "{",
                                     "}",
                                     ",",
                                     ":",
                                     "\"",
                                     "0",
                                     "9",
                                     "-",
                                     "18446744073709551615",
                                     "9223372036854775808",
                                     "1e9",
                                     "\\u",
                                     "\"shape\":[0]",
                                     "\"dtype\":\"F64\"",
                                     "null",
                                     "\x80"};
  int refused = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    std::string bytes = whole;
    for (uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t end = std::min(bytes.size(), random() % 8 == 0 ? bytes.size() : header_end);
      const size_t at = random() % end, length = std::min<size_t>(random() % 40, end - at);
      switch (random() % 5) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, length);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random() % end, length));
          break;
        case 3:
          bytes.insert(at, kPieces[random() % std::size(kPieces)]);
          break;
        default:
          bytes[at] ^= static_cast<char>(1 << random() % 8);
      }
      if (bytes.empty()) break;
    }
    // Most edits would only make the length wrong; in half of the cases set it right.
    if (random() % 2 && bytes.size() > 8 && bytes.size() - 8 >= whole.size() - header_end) {
      const uint64_t length = bytes.size() - 8 - (whole.size() - header_end);
      std::memcpy(bytes.data(), &length, sizeof(length));
    }
    const auto path = dir.write("mutated", bytes);
    try {
      read_all(path);
    } catch (const UserError&) {
      ++refused;
    } catch (const std::exception& error) {
      FAIL() << "seed " << seed << ": expected a UserError, got " << error.what();
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 2000);  // some edits change data only
}

}  // namespace
}  // namespace lait
