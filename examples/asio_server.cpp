// SPDX-License-Identifier: BSL-1.0
// A server of coroutines on Asio, fed by worker threads; each result goes to one of its clients.
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <asio.hpp>

#include <penstock/channel/asio.hpp>

using asio::ip::tcp;

asio::awaitable<void> serve(tcp::socket client, penstock::asio_receiver<std::string> results) {
    while (auto line = co_await results.async_receive())  // ends when closed and drained
        co_await asio::async_write(client, asio::buffer(*line), asio::use_awaitable);
}

asio::awaitable<void> listen(tcp::acceptor at, penstock::receiver<std::string> results, int n) {
    for (int i = 0; i < n; ++i) {
        tcp::socket client = co_await at.async_accept(asio::use_awaitable);
        asio::co_spawn(at.get_executor(),
                       serve(std::move(client), penstock::as_asio(results, at.get_executor())),
                       asio::detached);
    }
}

int main() {
    constexpr int clients = 3, workers = 2, each = 5000;
    asio::io_context context;
    auto [tx, rx] = penstock::make_channel<std::string>(64);  // a slow client slows the workers
    tcp::acceptor at{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    const tcp::endpoint here = at.local_endpoint();
    asio::co_spawn(context, listen(std::move(at), std::move(rx), clients), asio::detached);

    std::vector<std::jthread> threads;
    for (int w = 0; w < workers; ++w)
        threads.emplace_back([w, tx = tx] {
            for (int i = 0; i < each; ++i)
                if (!tx.send(std::to_string(w * each + i) + "\n")) return;
        });
    tx = {};  // the workers have the senders: it closes when the last of them ends
    std::vector<int> lines(clients);
    for (int c = 0; c < clients; ++c)
        threads.emplace_back([&, c] {
            asio::io_context own;
            tcp::socket socket{own};
            socket.connect(here);
            asio::error_code end;
            for (std::string text; !end; text.clear()) {
                asio::read_until(socket, asio::dynamic_buffer(text), '\n', end);
                for (char ch : text) lines[static_cast<std::size_t>(c)] += ch == '\n';
            }
        });
    context.run();  // until nobody has anything to do
    threads.clear();
    std::printf(
        "clients got %d + %d + %d lines of %d\n", lines[0], lines[1], lines[2], workers * each);
    return lines[0] + lines[1] + lines[2] == workers * each ? 0 : 1;
}
