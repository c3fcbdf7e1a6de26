// A client that sends any bytes, right or wrong. Only tests see this.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lait {

struct Reply {
  int status = 0;                                   // 0: the connection was closed instead
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
  const std::string& header(const std::string& name) const {
    static const std::string kNone;
    const auto found = headers.find(name);
    return found == headers.end() ? kNone : found->second;
  }
};

// A request as clients write it.
inline std::string request_text(const std::string& method, const std::string& path,
                                const std::string& body = "", const std::string& more = "") {
  std::string out = method + " " + path + " HTTP/1.1\r\nHost: test\r\n" + more;
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + body;
}

class RawClient {
 public:
  explicit RawClient(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // A test that hangs is to fail.
    const timeval limit{.tv_sec = 120, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0)
        << std::strerror(errno);
  }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), bytes_(std::move(other.bytes_)) {}
  ~RawClient() { close(); }

  // False: the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void end_sending() { shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  // The next answer. `is_head`: it has no body.
  Reply reply(bool is_head = false) {
    size_t end = 0;
    while ((end = bytes_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return {};
    }
    Reply out;
    std::string_view head = std::string_view(bytes_).substr(0, end);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 ")) << head;
    out.status = std::atoi(std::string(head.substr(9, 3)).c_str());
    while (true) {
      const size_t line = head.find("\r\n");
      if (line == std::string_view::npos) break;
      head.remove_prefix(line + 2);
      const size_t colon = head.find(": ");
      std::string name(head.substr(0, colon));
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      out.headers[name] = head.substr(colon + 2, head.find("\r\n") - colon - 2);
    }
    bytes_.erase(0, end + 4);
    if (is_head || out.status == 100) return out;
    const size_t length = std::stoul(out.header("content-length"));
    while (bytes_.size() < length) {
      if (!receive()) return {};
    }
    out.body = bytes_.substr(0, length);
    bytes_.erase(0, length);
    return out;
  }
  Reply ask(const std::string& method, const std::string& path, const std::string& body = "",
            const std::string& more = "") {
    if (!send(request_text(method, path, body, more))) return {};
    return reply(method == "HEAD");
  }
  // Waits for it. Nothing more may come.
  bool is_closed() {
    while (receive()) {
    }
    return bytes_.empty() && !timed_out_;
  }

 private:
  bool receive() {
    char buffer[65536];
    const ssize_t bytes = recv(socket_, buffer, sizeof(buffer), 0);
    timed_out_ = bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (bytes > 0) bytes_.append(buffer, static_cast<size_t>(bytes));
    return bytes > 0;
  }

  int socket_;
  std::string bytes_;
  bool timed_out_ = false;
};

}  // namespace lait
