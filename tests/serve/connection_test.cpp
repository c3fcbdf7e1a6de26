// HTTP as clients send it, right and wrong: what is no request is answered with what is wrong, and
// ends the connection; nothing that follows it is taken for a request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/echo_server.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Time = HttpServerOptions::Time;

// The answer to what is wrong. Nothing may follow it.
Reply fault(const EchoServer& server, const std::string& bytes) {
  RawClient client = server.client();
  client.send(bytes);
  const Reply reply = client.reply();
  EXPECT_EQ(reply.header("connection"), "close") << bytes.substr(0, 100);
  EXPECT_TRUE(client.is_closed()) << bytes.substr(0, 100);
  return reply;
}

TEST(Connection, RequestsFollowEachOther) {
  const EchoServer server;
  RawClient client = server.client();
  for (int i = 0; i < 1000; ++i) {
    const std::string text = std::to_string(i);
    const Reply reply = client.ask("POST", "/a?query", text);
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /a " + text);
    EXPECT_EQ(reply.header("connection"), "keep-alive");
  }
}

TEST(Connection, PipelinedRequestsAreAnsweredInOrder) {
  EchoServer server;
  RawClient client = server.client();
  std::string bytes;
  for (int i = 0; i < 200; ++i)
    bytes += request_text("POST", i == 100 ? "/wait" : "/a", std::to_string(i));
  client.send(bytes);
  server.wait_for_requests(101);
  EXPECT_EQ(server.requests().size(), 101u);  // the next one is read after that answer
  server.release();
  for (int i = 0; i < 200; ++i)
    EXPECT_THAT(client.reply().body, testing::EndsWith(" " + std::to_string(i)));
}

TEST(Connection, BodiesMayComeInPieces) {
  const EchoServer server;
  RawClient client = server.client();
  std::string chunked = "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n";
  for (const char* chunk : {"3\r\nabc\r\n", "a;name=value\r\n0123456789\r\n", "0\r\n\r\n"})
    chunked += chunk;
  for (const std::string& bytes : {chunked, request_text("POST", "/a", "abc0123456789")}) {
    for (const char c : bytes) client.send({&c, 1});
    EXPECT_EQ(client.reply().body, "POST /a abc0123456789");
  }
}

TEST(Connection, ContinueIsSaidToWhoAsks) {
  const EchoServer server({.max_body_bytes = 10});
  RawClient client = server.client();
  const std::string request = request_text("POST", "/a", "abc", "Expect: 100-continue\r\n");
  client.send(request.substr(0, request.size() - 3));
  EXPECT_EQ(client.reply().status, 100);
  client.send("abc");
  EXPECT_EQ(client.reply().body, "POST /a abc");
  const std::string expects = "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\nExpect: ";
  EXPECT_EQ(fault(server, expects + "100-continue\r\n\r\n").status, 413);
  EXPECT_EQ(fault(server, request_text("POST", "/a", "abc", "Expect: more\r\n")).status, 417);
}

TEST(Connection, HeadHasNoBody) {
  const EchoServer server;
  RawClient client = server.client();
  const Reply head = client.ask("HEAD", "/a");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "8");  // "HEAD /a "
  EXPECT_EQ(client.ask("GET", "/a").body, "GET /a ");
}

TEST(Connection, NothingIsDoneThatNoEndpointNeeds) {
  const EchoServer server;
  RawClient client = server.client();
  const Reply ranges = client.ask("GET", "/a", "", "Range: bytes=0-0,0-0,0-0\r\n");
  EXPECT_EQ(ranges.status, 200);
  EXPECT_EQ(ranges.body, "GET /a ");
  const std::string form = "Content-Type: multipart/form-data\r\n";
  EXPECT_EQ(client.ask("POST", "/a", "no boundary", form).body, "POST /a no boundary");
  EXPECT_EQ(client.ask("FLY", "/a").body, "FLY /a ");
}

TEST(Connection, APostMayHaveNoBody) {
  const EchoServer server;
  RawClient client = server.client();
  EXPECT_EQ(client.ask("POST", "/a").body, "POST /a ");
  EXPECT_EQ(client.ask("GET", "/b").body, "GET /b ");
}

TEST(Connection, ABodyIsNoRequest) {
  EchoServer server;
  const std::string inner = request_text("GET", "/smuggled");
  RawClient client = server.client();
  EXPECT_EQ(client.ask("GET", "/a", inner).body, "GET /a " + inner);  // read, with its length
  EXPECT_EQ(fault(server, request_text("POST", "/none", inner)).status, 404);
  EXPECT_EQ(fault(server, request_text("POST", "/a", inner, "Content-Encoding: gzip\r\n")).status,
            415);
  EXPECT_EQ(fault(server, request_text("POST", "/a", inner, "Transfer-Encoding: gzip\r\n")).status,
            501);
  const std::string both = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(fault(server, request_text("POST", "/a", inner, both)).status, 400);
  EXPECT_EQ(fault(server, request_text("POST", "/a", inner, "Content-Length: 1\r\n")).status, 400);
  EXPECT_THAT(server.requests(), ElementsAre("GET /a"));
}

TEST(Connection, ACutBodyIsNotTaken) {
  EchoServer server;
  RawClient client = server.client();
  client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345");
  client.end_sending();
  const Reply reply = client.reply();
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, "body: ended after 5 bytes");
  EXPECT_TRUE(client.is_closed());
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST(Connection, HeadsAndBodiesHaveLimits) {
  const EchoServer server({.max_head_bytes = 2000, .max_body_bytes = 3000});
  const std::string line = "GET /a HTTP/1.1\r\nHost: test\r\n";
  EXPECT_EQ(fault(server, "GET /" + std::string(100000, 'a')).status, 414);
  EXPECT_EQ(fault(server, line + "Name: " + std::string(100000, 'a')).status, 431);
  std::string many = line;
  for (int i = 0; i < 1000; ++i) many += "N" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(fault(server, many).status, 431);
  EXPECT_THAT(fault(server, request_text("POST", "/a", std::string(3001, 'a'))).body,
              HasSubstr("at most 3000 bytes"));
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string chunks = chunked;
  for (int i = 0; i < 4; ++i) chunks += "3e8\r\n" + std::string(1000, 'a') + "\r\n";
  EXPECT_EQ(fault(server, chunks).status, 413);
  EXPECT_EQ(fault(server, chunked + "1;" + std::string(1000000, 'a')).status, 400);
  EXPECT_EQ(fault(server, chunked + "0\r\nName: " + std::string(1000000, 'a')).status, 400);
  RawClient client = server.client();  // the largest ones
  EXPECT_EQ(client.ask("POST", "/a", std::string(3000, 'a')).body.size(), 3008u);
}

TEST(Connection, WhatIsNoRequest) {
  const EchoServer server;
  EXPECT_EQ(fault(server, "hello\r\n\r\n").status, 400);
  EXPECT_EQ(fault(server, std::string("\x16\x03\x01\x02\0\x01\0\x01", 8)).status, 400);  // TLS
  EXPECT_EQ(fault(server, "GET /a HTTP/2.0\r\nHost: test\r\n\r\n").status, 505);
  EXPECT_EQ(fault(server, "GET /a HTTP/1.1\r\n\r\n").status, 400);
  EXPECT_EQ(fault(server, "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status, 400);
  EXPECT_EQ(fault(server, "GET /a HTTP/1.1\r\nHost : a\r\n\r\n").status, 400);
  EXPECT_EQ(fault(server, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n").status, 400);
  EXPECT_EQ(fault(server, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
                .status,
            400);
}

TEST(Connection, OldClientsAreNotKept) {
  const EchoServer server;
  RawClient client = server.client();
  client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.reply().header("connection"), "keep-alive");
  client.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.reply().header("connection"), "close");
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, SlowClientsAreClosed) {
  EchoServer server({.idle_time = Time(50), .head_time = Time(50), .body_time = Time(50)});
  RawClient idle = server.client();
  EXPECT_TRUE(idle.is_closed());
  for (const char* begin :
       {"GET /a HT", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb"}) {
    RawClient client = server.client();
    client.send(begin);
    EXPECT_TRUE(client.is_closed());
    server.wait_for_fault(408);
  }
  // A byte now and then does not help.
  RawClient client = server.client();
  client.send("GET /");
  while (client.send("a")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(Connection, WhoDoesNotReadAnswersIsClosed) {
  EchoServer server({.write_time = Time(50)});
  RawClient client = server.client();
  client.send(request_text("GET", "/large"));
  server.wait_for_requests(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(client.reply().status, 0);  // it ends before its length
}

TEST(Connection, BodiesThatAreBeingReadHaveALimit) {
  EchoServer server({.max_bytes_being_read = 1000});
  const std::string body(800, 'a'), request = request_text("POST", "/a", body);
  RawClient first = server.client();
  first.send(request.substr(0, request.size() - 1));
  std::optional<RawClient> second;
  // The first one may not have been read yet.
  for (int status = 200; status == 200;) {
    second.emplace(server.client());
    status = second->ask("POST", "/a", body).status;
    EXPECT_TRUE(status == 200 || status == 503) << status;
  }
  first.send("a");
  EXPECT_EQ(first.reply().status, 200);
  EXPECT_EQ(server.client().ask("POST", "/a", body).status, 200);
}

}  // namespace
}  // namespace lait
