// One connection of a server, from the first byte to the last. For http_server.cpp; Beast's headers
// are seen by connection.cpp alone.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <set>

#include "eval/serve/http_server.h"

namespace lait {

class Connection {
 public:
  virtual ~Connection() = default;
  // Reads requests and answers them, one after the other.
  virtual void start() = 0;
  // Answers 503 and closes it.
  virtual void turn_away() = 0;
  // The server stops: closes it if it waits for another request. One that has had none is left open
  // until end(), since its request may be on the way.
  virtual void finish() = 0;
  // The time for that is over: closes it, but for requests that are being computed and their
  // answers.
  virtual void end() = 0;
};

// What all connections of a server share. For its thread.
struct ConnectionHost {
  HttpHandler& handler;
  const HttpServerOptions options;
  bool is_stopping = false;
  size_t bytes_being_read = 0;  // HttpServerOptions::max_bytes_being_read
  std::set<std::shared_ptr<Connection>> open = {};
  // Called when one has left `open`.
  std::function<void()> on_closed = {};
};

// It is in host.open until it is closed. The host must outlive the io_context's last handler.
std::shared_ptr<Connection> make_connection(boost::asio::ip::tcp::socket socket,
                                            ConnectionHost& host);

}  // namespace lait
