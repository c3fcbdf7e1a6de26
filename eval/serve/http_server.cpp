#include "eval/serve/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "lait/base/error.h"

namespace lait {
namespace {

// Connections that the system holds for us. cpp-httplib asks for 5.
constexpr int kBacklog = 512;
// Requests of one connection, and seconds that it may be silent between and in them.
constexpr size_t kKeepAliveRequests = 10000;
constexpr int kKeepAliveSeconds = 5, kReadSeconds = 10, kWriteSeconds = 30;

void answer(Service& service, const httplib::Request& request, HttpRequest parsed,
            httplib::Response& out) {
  parsed.method = request.method;
  parsed.path = request.path;
  parsed.authorization = request.get_header_value("Authorization");
  HttpResponse response = service.handle(parsed);
  out.status = response.status;
  for (const auto& [name, value] : response.headers) out.set_header(name, value);
  out.set_content(std::move(response.body), response.type);
}

// Reads all of the body, since the next request follows it, and keeps at most so much.
HttpRequest read_request(const httplib::Request& request, const httplib::ContentReader& read,
                         size_t most) {
  HttpRequest out;
  const auto take = [&](const char* data, size_t bytes) {
    out.is_too_long = out.is_too_long || bytes > most - out.body.size();
    if (!out.is_too_long) out.body.append(data, bytes);
    return true;
  };
  if (request.is_multipart_form_data()) {  // no endpoint takes a form: its text is no JSON
    read([](const httplib::MultipartFormData&) { return true; },
         [](const char*, size_t) { return true; });
  } else {
    read(take);
  }
  return out;
}

}  // namespace

struct HttpServer::Sockets : httplib::Server {
  using httplib::Server::svr_sock_;
};

HttpServer::HttpServer(Service& service, const HttpServerOptions& options)
    : sockets_(std::make_unique<Sockets>()), host_(options.host) {
  Sockets& server = *sockets_;
  server.new_task_queue = [threads = options.threads] { return new httplib::ThreadPool(threads); };
  server.set_keep_alive_max_count(kKeepAliveRequests);
  server.set_keep_alive_timeout(kKeepAliveSeconds);
  server.set_read_timeout(kReadSeconds);
  server.set_write_timeout(kWriteSeconds);
  server.set_tcp_nodelay(true);
  // Not SO_REUSEPORT, cpp-httplib's own choice: two servers would share a port.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  const auto without_body = [&service](const httplib::Request& request, httplib::Response& out) {
    answer(service, request, {}, out);
  };
  const auto with_body = [&service, most = options.max_body_bytes](
                             const httplib::Request& request, httplib::Response& out,
                             const httplib::ContentReader& read) {
    answer(service, request, read_request(request, read, most), out);
  };
  // The service knows the paths.
  server.Get(".*", without_body);
  server.Options(".*", without_body);
  server.Post(".*", with_body);
  server.Put(".*", with_body);
  server.Patch(".*", with_body);
  server.Delete(".*", with_body);

  errno = 0;
  port_ = options.port == 0                          ? server.bind_to_any_port(host_)
          : server.bind_to_port(host_, options.port) ? options.port
                                                     : -1;
  if (port_ < 0) {
    const int error = errno;
    throw UserError(
        "--host " + host_ + " --port " + std::to_string(options.port) +
        ": cannot listen there: " + (error == 0 ? "no such address" : std::strerror(error)) +
        (error == EADDRINUSE ? "; another process does: stop it, or take another port"
                             : "; give another host or port"));
  }
  listen(server.svr_sock_, kBacklog);
}

HttpServer::~HttpServer() = default;

std::string HttpServer::url() const {
  const bool is_ipv6 = host_.find(':') != std::string::npos;
  return "http://" + (is_ipv6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_);
}

void HttpServer::run() { sockets_->listen_after_bind(); }

void HttpServer::stop() { sockets_->stop(); }

}  // namespace lait
