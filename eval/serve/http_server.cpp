#include "eval/serve/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "eval/serve/connection.h"
#include "lait/base/error.h"

namespace lait {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// Connections that the system holds for us.
constexpr int kBacklog = 512;
// Beyond the limit, so many are told so at once; others are closed without a word.
constexpr size_t kTurnedAway = 64;
// How often should_stop is asked, and how long it waits after a connection could not be taken.
constexpr std::chrono::milliseconds kPoll{20}, kPause{100};
// Files that the process has beside connections: the checkpoint, the store's mapped files.
constexpr size_t kOtherFiles = 256;

// Raises the limit of open files as far as the system allows it.
size_t connections_that_fit(size_t wanted) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  const rlim_t needed = wanted + kTurnedAway + kOtherFiles;
  if (files.rlim_cur < needed) {
    files.rlim_cur = std::min(needed, files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur >= needed) return wanted;
  constexpr size_t kFewest = 16;
  return std::max<size_t>(
      kFewest, files.rlim_cur - std::min<rlim_t>(files.rlim_cur, kTurnedAway + kOtherFiles));
}

HttpServerOptions fitting(HttpServerOptions options) {
  options.max_connections = connections_that_fit(options.max_connections);
  return options;
}

[[noreturn]] void throw_cannot_listen(const HttpServerOptions& options, const error_code& error) {
  const bool is_taken = error == asio::error::address_in_use;
  throw UserError("--host " + options.host + " --port " + std::to_string(options.port) +
                  ": cannot listen there: " + error.message() +
                  (is_taken ? "; another process does: stop it, or take another port"
                            : "; give another host or port"));
}

}  // namespace

struct HttpServer::Sockets {
  Sockets(HttpHandler& handler, const HttpServerOptions& options)
      : host{.handler = handler, .options = fitting(options)} {
    host.on_closed = [this] { end_if_done(); };
    error_code error;
    tcp::resolver resolver(context);
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (error) throw_cannot_listen(options, error);
    for (const auto& entry : found) {
      if (!(error = listen(entry.endpoint()))) return;
    }
    throw_cannot_listen(options, error);
  }

  error_code listen(const tcp::endpoint& endpoint) {
    error_code error;
    acceptor = tcp::acceptor(context);
    // Not SO_REUSEPORT: two servers would share a port.
    if (acceptor.open(endpoint.protocol(), error) ||
        acceptor.set_option(tcp::acceptor::reuse_address(true), error) ||
        acceptor.bind(endpoint, error) || acceptor.listen(kBacklog, error))
      return error;
    return acceptor.non_blocking(true, error);
  }

  void accept() {
    is_accepting = true;
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      is_accepting = false;
      if (!error) take(std::move(socket));
      if (host.is_stopping) return end_if_done();
      if (!error) return accept();
      // No file or no memory for it: it may wait.
      pause.expires_after(kPause);
      pause.async_wait([this](error_code stopped) {
        if (!stopped) accept();
      });
    });
  }

  void take(tcp::socket socket) {
    const size_t open = host.open.size(), most = host.options.max_connections;
    if (open >= most + kTurnedAway) return;
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto connection = make_connection(std::move(socket), host);
    open < most ? connection->start() : connection->turn_away();
  }

  void poll(const std::function<bool()>& should_stop) {
    if (should_stop()) return stop();
    poller.expires_after(kPoll);
    poller.async_wait([this, &should_stop](error_code stopped) {
      if (!stopped) poll(should_stop);
    });
  }

  void stop() {
    if (host.is_stopping) return;
    host.is_stopping = true;
    poller.cancel();
    pause.cancel();
    error_code error;
    // Clients see these as connected, and may have sent their requests.
    while (true) {
      tcp::socket socket = acceptor.accept(error);
      if (error) break;
      take(std::move(socket));
    }
    acceptor.close(error);
    for_all(&Connection::finish);
    grace.expires_after(host.options.grace_time);
    grace.async_wait([this](error_code stopped) {
      if (!stopped) for_all(&Connection::end);
    });
    end_if_done();
  }

  void for_all(void (Connection::*function)()) {
    const auto open = host.open;  // they leave it
    for (const auto& connection : open) (connection.get()->*function)();
  }

  void end_if_done() {
    if (!host.is_stopping || is_accepting || !host.open.empty()) return;
    grace.cancel();
    work.reset();
  }

  asio::io_context context{1};
  // Until the end, also while all connections wait for the model.
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  tcp::acceptor acceptor{context};
  asio::steady_timer poller{context}, pause{context}, grace{context};
  bool is_accepting = false;
  ConnectionHost host;
};

HttpServer::HttpServer(HttpHandler& handler, const HttpServerOptions& options)
    : sockets_(std::make_unique<Sockets>(handler, options)) {}

HttpServer::~HttpServer() = default;

int HttpServer::port() const { return sockets_->acceptor.local_endpoint().port(); }

std::string HttpServer::url() const {
  const std::string& host = sockets_->host.options.host;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return "http://" + (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port());
}

void HttpServer::run(const std::function<bool()>& should_stop) {
  sockets_->accept();
  if (should_stop) sockets_->poll(should_stop);
  sockets_->context.run();
}

void HttpServer::stop() {
  asio::post(sockets_->context, [this] { sockets_->stop(); });
}

void HttpServer::abort() { sockets_->context.stop(); }

}  // namespace lait
