#include "lait/data/label_bytes.h"

#include <cstring>
#include <type_traits>

namespace lait {
namespace {

struct Writer {
  std::vector<std::byte>& bytes;

  void put(const void* data, size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + size);
  }
  template <class T>
  void put(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    put(&value, sizeof(value));
  }
  void operator()(const NoLabel&) {}
  void operator()(const ClassLabel& label) { put(label.index); }
  void operator()(const NumberLabel& label) { put(label.value); }
  void operator()(const SoftLabel& label) {
    put(label.probabilities.data(), label.probabilities.size() * sizeof(float));
  }
  void operator()(const TextLabel& label) {
    for (const std::string& text : label.any_of) {
      put(text.size());
      put(text.data(), text.size());
    }
  }
  void operator()(const SpanLabel& label) {
    for (const TextSpan& span : label.any_of) {
      put(span.segment);
      put(span.begin);
      put(span.end);
    }
  }
};

struct Reader {
  std::span<const std::byte> bytes;

  void get(void* data, size_t size) {
    if (size > 0) std::memcpy(data, bytes.data(), size);
    bytes = bytes.subspan(size);
  }
  template <class T>
  void get(T& value) {
    static_assert(std::is_arithmetic_v<T>);
    get(&value, sizeof(value));
  }
  void operator()(NoLabel&) {}
  void operator()(ClassLabel& label) { get(label.index); }
  void operator()(NumberLabel& label) { get(label.value); }
  void operator()(SoftLabel& label) {
    label.probabilities.resize(bytes.size() / sizeof(float));
    get(label.probabilities.data(), bytes.size());
  }
  void operator()(TextLabel& label) {
    while (!bytes.empty()) {
      size_t size = 0;
      get(size);
      get(label.any_of.emplace_back(size, '\0').data(), size);
    }
  }
  void operator()(SpanLabel& label) {
    while (!bytes.empty()) {
      TextSpan& span = label.any_of.emplace_back();
      get(span.segment);
      get(span.begin);
      get(span.end);
    }
  }
};

template <size_t... kKinds>
Label label_of_kind(size_t kind, std::index_sequence<kKinds...>) {
  Label label;
  ((kKinds == kind ? static_cast<void>(label.emplace<kKinds>()) : void()), ...);
  return label;
}

}  // namespace

void append_label(std::vector<std::byte>& bytes, const Label& label) {
  bytes.push_back(static_cast<std::byte>(label.index()));
  std::visit(Writer{bytes}, label);
}

Label read_label(std::span<const std::byte> bytes) {
  Label label = label_of_kind(static_cast<size_t>(bytes.front()),
                              std::make_index_sequence<std::variant_size_v<Label>>());
  std::visit(Reader{bytes.subspan(1)}, label);
  return label;
}

}  // namespace lait
