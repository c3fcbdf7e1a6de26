#include "eval/serve/connection.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <string_view>

#include "lait/base/shown_text.h"

namespace lait {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// Beast reads so much at once; a line of a chunked body may be so long beside a head.
constexpr size_t kReadBytes = 65536;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// Another string_view in each version of Boost.
template <class View>
std::string_view view(const View& text) {
  return {text.data(), text.size()};
}

class BeastConnection final : public Connection,
                              public std::enable_shared_from_this<BeastConnection> {
 public:
  BeastConnection(tcp::socket socket, ConnectionHost& host)
      : stream_(std::move(socket)),
        host_(host),
        buffer_(host.options.max_head_bytes + 2 * kReadBytes) {}

  void start() override { wait_for_request(); }

  void turn_away() override {
    refuse(HttpError(503, fmt::format("connections: expected at most {} at once; try again in a "
                                      "moment",
                                      host_.options.max_connections)));
  }

  void finish() override {
    error_code ignored;
    if (state_ == State::kIdle && answers_ > 0 && stream_.socket().available(ignored) == 0) close();
  }

  void end() override {
    const bool is_awaited = state_ == State::kComputing || (state_ == State::kWriting && is_last_);
    if (!is_awaited) close();
  }

 private:
  using Parser = http::request_parser<http::string_body>;
  enum class State { kIdle, kReading, kComputing, kWriting, kLingering, kClosed };

  // A handler that keeps this alive.
  template <class... Arguments>
  auto then(void (BeastConnection::*next)(Arguments...)) {
    return [self = shared_from_this(), next](Arguments... arguments) {
      if (self->state_ != State::kClosed) (self.get()->*next)(arguments...);
    };
  }

  void wait_for_request() {
    state_ = State::kIdle;
    request_ = {};
    is_head_ = keeps_ = false;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(host_.options.max_head_bytes));
    parser_->body_limit(host_.options.max_body_bytes);
    if (buffer_.size() > 0) return read_head();  // the client did not wait for our answer
    stream_.expires_after(host_.options.idle_time);
    stream_.async_read_some(buffer_.prepare(kReadBytes / 16), then(&BeastConnection::on_first));
  }

  void on_first(error_code error, size_t bytes) {
    if (error) return close();
    buffer_.commit(bytes);
    read_head();
  }

  void read_head() {
    state_ = State::kReading;
    stream_.expires_after(host_.options.head_time);
    http::async_read_header(stream_, buffer_, *parser_, then(&BeastConnection::on_head));
  }

  void on_head(error_code error, size_t) {
    if (error) return on_fault(error);
    const auto& head = parser_->get();
    const std::string_view target = view(head.target());
    request_ = {.method = std::string(view(head.method_string())),
                .path = std::string(target.substr(0, target.find('?'))),
                .authorization = std::string(view(head[http::field::authorization]))};
    is_head_ = head.method() == http::verb::head;
    keeps_ = head.keep_alive();
    if (const auto fault = fault_of(head)) return refuse(*fault);
    // If the body is not read, what follows is no request.
    if (auto response = host_.handler.refuse(request_))
      return write(*response, keeps_ && parser_->is_done());
    if (parser_->is_done()) return handle();
    const auto length = parser_->content_length();
    announced_ = length ? static_cast<size_t>(*length) : host_.options.max_body_bytes;
    if (host_.bytes_being_read + announced_ > host_.options.max_bytes_being_read) {
      announced_ = 0;
      return refuse(HttpError(503, "too many requests are being sent; try again in a moment"));
    }
    host_.bytes_being_read += announced_;
    stream_.expires_after(host_.options.body_time);
    if (head.find(http::field::expect) == head.end()) return read_body({}, 0);
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      then(&BeastConnection::read_body));
  }

  // What Beast does not check.
  std::optional<HttpError> fault_of(const http::request_header<>& head) const {
    const auto encoding = view(head[http::field::content_encoding]);
    if (!encoding.empty() && !same_word(encoding, "identity")) {
      return HttpError(415, "Content-Encoding: expected none, got " + shown(std::string(encoding)) +
                                "; send the body as it is");
    }
    const auto codings = head.count(http::field::transfer_encoding);
    const auto coding = view(head[http::field::transfer_encoding]);
    if (codings > 1 || (codings == 1 && !same_word(coding, "chunked")) ||
        (codings == 1 && head.version() < 11)) {
      return HttpError(501, "Transfer-Encoding: expected chunked, in HTTP/1.1, got " +
                                shown(std::string(coding)));
    }
    const auto expected = view(head[http::field::expect]);
    if (!expected.empty() && !same_word(expected, "100-continue"))
      return HttpError(417, "Expect: expected 100-continue, got " + shown(std::string(expected)));
    if (head.version() >= 11 && head.count(http::field::host) != 1)
      return HttpError(400, "Host: expected this header once");
    return std::nullopt;
  }

  void read_body(error_code error, size_t) {
    if (error) return close();
    http::async_read(stream_, buffer_, *parser_, then(&BeastConnection::on_body));
  }

  void on_body(error_code error, size_t) {
    if (error) return on_fault(error);
    handle();
  }

  // The request stops, or is none.
  void on_fault(error_code fault) {
    using http::error;
    const HttpServerOptions& options = host_.options;
    const auto is = [&](error code) { return fault == http::make_error_code(code); };
    const auto most = [](size_t bytes) {
      return fmt::format("expected at most {} bytes, got more", bytes);
    };
    if (is(error::end_of_stream)) return close();
    if (fault == beast::error::timeout) {
      host_.handler.fault(HttpError(408, "the request did not come in time"));  // to be counted
      return close();
    }
    if (is(error::body_limit)) {
      return refuse(
          HttpError(413, "body: " + most(options.max_body_bytes) + "; send several requests"));
    }
    if (is(error::header_limit)) {
      // Beast may have taken the first line already.
      const std::string_view head{static_cast<const char*>(buffer_.data().data()), buffer_.size()};
      const bool is_line =
          parser_->get().target().empty() && head.find('\n') == std::string_view::npos;
      return refuse(HttpError(is_line ? 414 : 431, (is_line ? "request line: " : "headers: ") +
                                                       most(options.max_head_bytes)));
    }
    if (is(error::bad_version))
      return refuse(HttpError(505, "request line: expected HTTP/1.0 or HTTP/1.1"));
    if (is(error::partial_message)) {
      return refuse(HttpError(
          400, parser_->is_header_done()
                   ? fmt::format("body: ended after {} bytes", parser_->get().body().size())
                   : "headers: ended before their empty line"));
    }
    if (fault.category() != http::make_error_code(error::bad_method).category())
      return close();  // the connection broke
    refuse(HttpError(400, "request: expected HTTP/1.1, got something else: " + fault.message()));
  }

  void handle() {
    state_ = State::kComputing;
    has_read();
    request_.body = std::move(parser_->get().body());
    parser_.reset();
    host_.handler.handle(std::move(request_), [weak = weak_from_this()](MakeResponse make) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      asio::post(self->stream_.get_executor(),
                 [self, make = std::move(make)] { self->write(make(), self->keeps_); });
    });
  }

  void has_read() {
    host_.bytes_being_read -= announced_;
    announced_ = 0;
  }

  // Says what is wrong, and closes: where the next request begins is not known.
  void refuse(const HttpError& error) { write(host_.handler.fault(error), /*keeps=*/false); }

  void write(HttpResponse response, bool keeps) {
    state_ = State::kWriting;
    has_read();
    is_last_ = host_.is_stopping;
    message_ = {};
    message_.version(11);
    message_.result(static_cast<unsigned>(response.status));
    message_.set(http::field::content_type, response.type);
    for (const auto& [name, value] : response.headers) message_.set(name, value);
    message_.content_length(response.body.size());
    if (!is_head_) message_.body() = std::move(response.body);
    // HTTP/1.0 clients do not expect more unless they are told.
    message_.set(http::field::connection, keeps && !is_last_ ? "keep-alive" : "close");
    keeps_ = keeps && !is_last_;
    stream_.expires_after(is_last_ ? host_.options.grace_time : host_.options.write_time);
    http::async_write(stream_, message_, then(&BeastConnection::on_written));
  }

  void on_written(error_code error, size_t) {
    if (error) return close();
    ++answers_;
    if (keeps_ && !host_.is_stopping) return wait_for_request();
    state_ = State::kLingering;
    parser_.reset();
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(host_.options.linger_time);
    on_lingering({}, 0);
  }

  void on_lingering(error_code error, size_t) {
    if (error) return close();
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kReadBytes), then(&BeastConnection::on_lingering));
  }

  void close() {
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    has_read();
    stream_.close();
    const auto self = shared_from_this();
    host_.open.erase(self);
    host_.on_closed();
  }

  beast::tcp_stream stream_;
  ConnectionHost& host_;
  beast::flat_buffer buffer_;  // what came and is not parsed yet
  std::optional<Parser> parser_;
  http::response<http::string_body> message_;
  HttpRequest request_;
  State state_ = State::kIdle;
  bool is_head_ = false;  // HEAD: the answer has no body
  bool keeps_ = false;    // whether another request may follow
  bool is_last_ = false;  // its answer was begun while the server stops
  size_t announced_ = 0;  // its part of host_.bytes_being_read
  size_t answers_ = 0;
};

}  // namespace

std::shared_ptr<Connection> make_connection(tcp::socket socket, ConnectionHost& host) {
  auto connection = std::make_shared<BeastConnection>(std::move(socket), host);
  host.open.insert(connection);
  return connection;
}

}  // namespace lait
