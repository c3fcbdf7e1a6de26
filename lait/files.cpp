#include "lait/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <list>

#include "lait/error.h"
#include "lait/file_writer.h"

namespace lait {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A gzip file that grows more than so many times is a bomb and no text (English text grows three times, gzip's limit is 1032).
constexpr uint64_t kMostGrowth = 200, kGrowthBytesAllowed = uint64_t{64} << 20;

std::string reason() { return std::strerror(errno); }

[[noreturn]] void cannot_read(const std::filesystem::path& path, const std::string& why) {
  throw UserError(path.string() + ": cannot read: " + why + "; check the path");
}

// A file, gzip or not, read in pieces; zlib passes plain files through.
class Source {
 public:
  explicit Source(const std::filesystem::path& path) : path_(path) {
    if (std::filesystem::is_directory(path)) cannot_read(path, "it is a folder");
    file_ = gzopen(path.c_str(), "rb");
    if (file_ == nullptr) cannot_read(path, reason());
    gzbuffer(file_, kBufferBytes);
    if (path.extension() == ".gz" && gzdirect(file_)) {
      gzclose(file_);
      throw UserError(path.string() +
                      ": expected a whole gzip file, got one without gzip's head; fetch it again, "
                      "or drop .gz from the name");
    }
  }
  ~Source() { gzclose(file_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Bytes read, 0 at the end.
  size_t read(char* to, size_t size) {
    const int got = gzread(file_, to, static_cast<unsigned>(size));
    int error = Z_OK;
    const char* message = gzerror(file_, &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
      if (error == Z_ERRNO) cannot_read(path_, reason());
      throw UserError(path_.string() +
                      ": expected a whole gzip file, got a truncated or damaged one (" + message +
                      "); fetch it again");
    }
    bytes_ += static_cast<uint64_t>(got);
    const auto packed = bytes_ > kGrowthBytesAllowed ? gzoffset(file_)
                                                     : 0;  // -1 of a pipe, of which nothing is kept
    if (packed > 0 && bytes_ > kMostGrowth * static_cast<uint64_t>(packed)) {
      throw UserError(path_.string() + ": expected text, got a gzip file that grows more than " +
                      std::to_string(kMostGrowth) + " times; unpack it (gunzip) if that is right");
    }
    return static_cast<size_t>(got);
  }

 private:
  std::filesystem::path path_;
  gzFile file_ = nullptr;
  uint64_t bytes_ = 0;  // read so far, unpacked
};

}  // namespace

struct LineReader::Impl {
  Impl(const std::filesystem::path& p, size_t max)
      : path(p), source(p), max_line_bytes(max), buffer(kBufferBytes) {}

  // The next piece of the file is in buffer[begin, end); false at the end.
  bool refill() {
    begin = 0;
    end = source.read(buffer.data(), buffer.size());
    return end > 0;
  }

  std::filesystem::path path;
  Source source;
  size_t max_line_bytes;
  std::vector<char> buffer;
  size_t begin = 0, end = 0;
  int64_t line = 0;
};

LineReader::LineReader(const std::filesystem::path& path, size_t max_line_bytes)
    : impl_(std::make_unique<Impl>(path, max_line_bytes)) {}
LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;

std::optional<std::string> LineReader::next() {
  std::string line;
  bool any = false;
  while (impl_->begin < impl_->end || impl_->refill()) {
    any = true;
    const char* from = impl_->buffer.data() + impl_->begin;
    const size_t size = impl_->end - impl_->begin;
    const auto* newline = static_cast<const char*>(std::memchr(from, '\n', size));
    const size_t taken = newline ? static_cast<size_t>(newline - from) : size;
    if (line.size() + taken > impl_->max_line_bytes) {
      throw UserError(impl_->path.string() + ":" + std::to_string(impl_->line + 1) +
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
std::string LineReader::where() const {
  return impl_->path.string() + ":" + std::to_string(impl_->line);
}

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
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
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
