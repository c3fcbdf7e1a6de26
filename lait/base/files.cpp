#include "lait/base/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <new>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"

namespace lait {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A gzip file that grows more than this when unpacked is a bomb and not text. English text grows
// about three times; gzip's limit is 1032.
constexpr uint64_t kMostGrowth = 200, kGrowthBytesAllowed = uint64_t{64} << 20;

std::string reason() { return std::strerror(errno); }

[[noreturn]] void cannot_read(const std::filesystem::path& path, const std::string& why) {
  throw UserError(path.string() + ": cannot read: " + why + "; check the path");
}

// A file or an open descriptor, gzip or not, read in pieces. Unlike gzread, which ignores them,
// bytes after the packed text are an error.
class Source {
 public:
  explicit Source(const std::filesystem::path& path) : name_(path.string()) {
    if (std::filesystem::is_directory(path)) cannot_read(path, "it is a folder");
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) cannot_read(path, reason());
    says_gzip_ = path.extension() == ".gz";
  }
  Source(int descriptor, std::string name)
      : name_(std::move(name)), fd_(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {
    if (fd_ < 0) cannot_read(name_, reason());
  }
  ~Source() {
    if (packed_) inflateEnd(&stream_);
    ::close(fd_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const std::string& name() const { return name_; }
  void on_wait(std::function<void()> callback) { on_wait_ = std::move(callback); }

  // Bytes read, 0 at the end.
  size_t read(char* to, size_t size) {
    if (!begun_) begin();
    if (packed_) return unpack(to, size);
    if (stream_.avail_in == 0) fill();
    const size_t taken = std::min<size_t>(size, stream_.avail_in);
    std::memcpy(to, stream_.next_in, taken);
    stream_.next_in += taken;
    stream_.avail_in -= static_cast<unsigned>(taken);
    return taken;
  }

 private:
  // Called by the first read and not by the constructor: a pipe may have no data yet.
  void begin() {
    begun_ = true;
    stream_.next_in = buffer_.data();
    while (stream_.avail_in < 2 && fill()) {
    }
    const bool packed =
        stream_.avail_in >= 2 && stream_.next_in[0] == kGzip[0] && stream_.next_in[1] == kGzip[1];
    check_no_lfs_pointer(
        name_, {reinterpret_cast<const char*>(stream_.next_in), size_t{stream_.avail_in}});
    if (says_gzip_ && !packed) {
      throw UserError(name_ +
                      ": expected a whole gzip file, got one without gzip's header; fetch it "
                      "again, or drop .gz from the name");
    }
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (packed && inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
    packed_ = packed;
  }

  // Reads more of the file after what is left in the buffer. False at the end of the file.
  bool fill() {
    std::memmove(buffer_.data(), stream_.next_in, stream_.avail_in);
    stream_.next_in = buffer_.data();
    if (on_wait_) {
      pollfd input{.fd = fd_, .events = POLLIN, .revents = 0};
      if (::poll(&input, 1, 0) == 0) on_wait_();
    }
    ssize_t got = 0;
    do {
      got = ::read(fd_, buffer_.data() + stream_.avail_in, buffer_.size() - stream_.avail_in);
    } while (got < 0 && errno == EINTR);
    if (got < 0) cannot_read(name_, reason());
    stream_.avail_in += static_cast<unsigned>(got);
    bytes_read_ += static_cast<uint64_t>(got);
    return got > 0;
  }

  size_t unpack(char* to, size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<unsigned>(size);
    while (stream_.avail_out == size) {
      if (stream_.avail_in == 0 && !fill()) {
        if (member_ended_) return 0;
        damaged("it ends too early");
      }
      if (member_ended_ && !next_member()) continue;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      if (status != Z_OK && status != Z_BUF_ERROR && status != Z_STREAM_END)
        damaged(stream_.msg == nullptr ? "unknown fault" : stream_.msg);
      member_ended_ = status == Z_STREAM_END;
    }
    const size_t got = size - stream_.avail_out;
    bytes_ += got;
    if (bytes_ > kGrowthBytesAllowed && bytes_ > kMostGrowth * (bytes_read_ - stream_.avail_in)) {
      throw UserError(name_ + ": expected text, got a gzip file that grows more than " +
                      std::to_string(kMostGrowth) + " times; unpack it (gunzip) if that is right");
    }
    return got;
  }

  // After a packed text there may be another one (a gzip file may hold several) or zeros (tapes pad
  // with them). Anything else is an error. False: the rest of the buffer was zeros.
  bool next_member() {
    for (; stream_.avail_in > 0 && *stream_.next_in == 0; padded_ = true) {
      ++stream_.next_in;
      --stream_.avail_in;
    }
    if (stream_.avail_in == 0) return false;
    if (padded_ || *stream_.next_in != kGzip[0])
      damaged("it has other bytes after the packed text");
    inflateReset(&stream_);
    return true;
  }

  [[noreturn]] void damaged(const std::string& how) const {
    throw UserError(name_ + ": expected a whole gzip file, got a truncated or damaged one (" + how +
                    "); fetch it again");
  }

  static constexpr Bytef kGzip[2] = {0x1f, 0x8b};

  std::string name_;
  std::function<void()> on_wait_;
  int fd_ = -1;
  std::vector<Bytef> buffer_ = std::vector<Bytef>(kBufferBytes);
  z_stream stream_{};
  bool says_gzip_ = false;  // by its name
  bool begun_ = false, packed_ = false, member_ended_ = false, padded_ = false;
  uint64_t bytes_read_ = 0;  // of the file
  uint64_t bytes_ = 0;       // unpacked
};

}  // namespace

void check_no_lfs_pointer(const std::string& name, std::string_view begin) {
  if (begin.starts_with("version https://git-lfs.github.com/spec/"))
    throw UserError(name + ": expected the file, got a git-lfs pointer to it; run git lfs pull");
}

struct LineReader::Impl {
  Impl(const std::filesystem::path& path, size_t max)
      : name(path.string()), max_line_bytes(max), buffer(kBufferBytes) {
    source.emplace(path);
  }
  Impl(int descriptor, const std::string& file, size_t max)
      : name(file), max_line_bytes(max), buffer(kBufferBytes) {
    source.emplace(descriptor, file);
  }
  Impl(std::function<std::optional<std::string>()> next_line, const std::string& source_name)
      : name(source_name), made(std::move(next_line)) {}

  // Reads the next piece of the file into buffer[begin, end). False at the end.
  bool refill() {
    begin = 0;
    end = source->read(buffer.data(), buffer.size());
    return end > 0;
  }

  std::string name;
  std::optional<Source> source{};
  std::function<std::optional<std::string>()> made{};  // instead of the source
  size_t max_line_bytes = 0;
  std::vector<char> buffer;
  size_t begin = 0, end = 0;
  int64_t line = 0;
};

LineReader::LineReader(const std::filesystem::path& path, size_t max_line_bytes)
    : impl_(std::make_unique<Impl>(path, max_line_bytes)) {}
LineReader::LineReader(int descriptor, const std::string& name, size_t max_line_bytes)
    : impl_(std::make_unique<Impl>(descriptor, name, max_line_bytes)) {}
LineReader::LineReader(std::function<std::optional<std::string>()> next, const std::string& name)
    : impl_(std::make_unique<Impl>(std::move(next), name)) {}
LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;

std::optional<std::string> LineReader::next() {
  if (impl_->made) {
    auto made = impl_->made();
    impl_->line += made.has_value();
    return made;
  }
  std::string line;
  bool any = false;
  while (impl_->begin < impl_->end || impl_->refill()) {
    any = true;
    const char* from = impl_->buffer.data() + impl_->begin;
    const size_t size = impl_->end - impl_->begin;
    const auto* newline = static_cast<const char*>(std::memchr(from, '\n', size));
    const size_t taken = newline ? static_cast<size_t>(newline - from) : size;
    if (line.size() + taken > impl_->max_line_bytes) {
      throw UserError(impl_->name + ":" + std::to_string(impl_->line + 1) +
                      ": expected lines of at most " + std::to_string(impl_->max_line_bytes) +
                      " bytes, got a longer one");
    }
    line.append(from, taken);
    impl_->begin += taken + (newline ? 1 : 0);
    if (newline) break;
  }
  if (!any) return std::nullopt;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (++impl_->line == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
  return line;
}

int64_t LineReader::line_number() const { return impl_->line; }
const std::string& LineReader::name() const { return impl_->name; }
void LineReader::on_wait(std::function<void()> callback) {
  if (impl_->source) impl_->source->on_wait(std::move(callback));
}
std::string LineReader::where() const { return impl_->name + ":" + std::to_string(impl_->line); }

std::string read_file(const std::filesystem::path& path, size_t max_bytes) {
  Source source(path);
  std::string content;
  std::vector<char> buffer(kBufferBytes);
  while (const size_t got = source.read(buffer.data(), buffer.size())) {
    if (got > max_bytes - content.size())
      throw UserError(path.string() + ": expected a file of at most " + std::to_string(max_bytes) +
                      " bytes, got a longer one");
    content.append(buffer.data(), got);
  }
  return content;
}

void write_files(const std::vector<FileContent>& files) {
  std::list<FileWriter> writers;
  for (const FileContent& file : files) {
    writers.emplace_back(file.path).write(file.content);
    writers.back().sync();
  }
  for (FileWriter& writer : writers) writer.commit();
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  write_files({{path, content}});
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: a pipe is refused below instead of being waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) cannot_read(path, reason());
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    cannot_read(path, "not a regular file");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* map = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
      const std::string why = reason();
      ::close(fd);
      cannot_read(path, why);
    }
    data_ = static_cast<const std::byte*>(map);
  }
  ::close(fd);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace lait
