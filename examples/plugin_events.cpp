// SPDX-License-Identifier: BSL-1.0
// Plugin events: a program tells what happens, plugins hook in by pattern and unhook by going away.
// One that throws, or unloads itself in its own handler, harms nobody.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include <penstock/penstock.hpp>

struct file_event {
    std::string path;
};

class word_count {
public:
    explicit word_count(penstock::bus& host)
        : hook_{host.subscribe<file_event>("file.saved", [this](const file_event&) { ++saved; })} {}
    int saved = 0;

private:
    penstock::subscription hook_;  // last: when it is gone, nobody calls the plugin any more
};

int main() {
    int errors = 0, audited = 0, once = 0;
    penstock::bus host{{.on_error = [&](const penstock::failure& f) {
        ++errors;
        std::printf(
            "a plugin on %.*s failed\n", static_cast<int>(f.pattern.size()), f.pattern.data());
    }}};
    auto counts = std::make_unique<word_count>(host);
    auto broken = host.subscribe<file_event>("file.*", [](const file_event& e) {
        if (e.path.empty()) throw std::runtime_error{"no path"};
    });
    penstock::subscription first_time;
    first_time = host.subscribe<file_event>("file.opened", [&](const file_event&) {
        ++once;
        first_time.cancel();  // from its own handler
    });
    auto audit = host.tap<file_event>("#", [&](const file_event&) { ++audited; });  // unseen

    auto opened = host.topic<file_event>("file.opened");
    auto saved = host.topic<file_event>("file.saved");
    opened.publish(file_event{"a.txt"});
    opened.publish(file_event{"b.txt"});
    saved.publish(file_event{"a.txt"});
    saved.publish(file_event{""});  // one fails, the others get it
    const int words = counts->saved;
    counts.reset();  // unloaded
    saved.publish(file_event{"b.txt"});

    std::printf("%d events seen, %d saves counted, %d error, %d first time\n", audited, words,
                errors, once);
    return audited == 5 && words == 2 && errors == 1 && once == 1 ? 0 : 1;
}
