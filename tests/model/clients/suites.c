#include "checker/checker.h"

extern const struct client litmus_clients[];
extern const struct client microtasks_clients[];
extern const struct client notify_clients[];
extern const struct client poller_clients[];
extern const struct client shutdown_clients[];
extern const struct client sleep_clients[];
extern const struct client tasks_clients[];

const struct suite suites[] = {
    {"litmus", litmus_clients},         {"poller", poller_clients},
    {"tasks", tasks_clients},           {"notify", notify_clients},
    {"microtasks", microtasks_clients}, {"sleep", sleep_clients},
    {"shutdown", shutdown_clients},     {0},
};
