#include "eval/bench/http_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <stdexcept>

namespace lait {

namespace beast = boost::beast;
namespace http = beast::http;
namespace asio = boost::asio;

namespace {

constexpr std::chrono::minutes kLongest{10};

using Response = http::response<http::string_body>;

}  // namespace

struct HttpClient::Connection {
  asio::io_context io;
  beast::tcp_stream stream{io};
  beast::flat_buffer unread;

  // `start(done)` starts what ends with done(error, …). Returns the error.
  template <typename Start>
  beast::error_code run(const Start& start) {
    beast::error_code error;
    stream.expires_after(kLongest);
    start([&](beast::error_code of_operation, auto&&...) { error = of_operation; });
    io.restart();
    io.run();
    return error;
  }
  beast::error_code read(Response& response) {
    return run([&](auto done) { http::async_read(stream, unread, response, done); });
  }
};

HttpClient::HttpClient(uint16_t port) : port_(port) {}
HttpClient::~HttpClient() = default;

void HttpClient::connect() {
  auto out = std::make_unique<Connection>();
  const asio::ip::tcp::endpoint server(asio::ip::address_v4::loopback(), port_);
  const auto error = out->run([&](auto done) { out->stream.async_connect(server, done); });
  if (error) {
    throw std::runtime_error(
        fmt::format("cannot connect to 127.0.0.1:{}: {}", port_, error.message()));
  }
  out->stream.socket().set_option(asio::ip::tcp::no_delay(true));
  connection_ = std::move(out);
}

// `write(done)` starts to send a request of that name.
template <typename Write>
HttpAnswer HttpClient::exchange(const std::string& name, const Write& write) {
  if (!connection_) connect();
  Response response;
  auto error = connection_->run(write);
  if (!error) error = connection_->read(response);
  if (error) throw std::runtime_error(fmt::format("{}: no answer: {}", name, error.message()));
  if (!response.keep_alive()) connection_.reset();
  return {.status = static_cast<int>(response.result_int()), .body = std::move(response.body())};
}

HttpAnswer HttpClient::ask(const std::string& method, const std::string& path,
                           const std::string& body) {
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(path);
  request.version(11);
  request.set(http::field::host, "localhost");
  request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  return exchange(fmt::format("{} {}", method, path),
                  [&](auto done) { http::async_write(connection_->stream, request, done); });
}

HttpAnswer HttpClient::send(const std::string& bytes) {
  return exchange("bytes", [&](auto done) {
    asio::async_write(connection_->stream, asio::buffer(bytes), done);
  });
}

}  // namespace lait
