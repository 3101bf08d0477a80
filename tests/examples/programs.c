/*
 * programs.c: see programs.h.
 */
#include "programs.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ARGUMENTS_AT_MOST = 32, NO_SUCH_COMMAND = 127, PROGRAMS_AT_MOST = 64 };

/* A program that nobody ends, because its test was aborted, ends by itself. */
enum { LIFE_AT_MOST_S = 200 };

/* Those that have not been waited for. */
static pid_t running[PROGRAMS_AT_MOST];

/* ---- programs -------------------------------------------------------------------------------- */

static void arguments_read(const char *first, va_list list, char *arguments[ARGUMENTS_AT_MOST])
{
    size_t count = 0;
    for (const char *next = first; next; next = va_arg(list, const char *)) {
        check(count + 1 < ARGUMENTS_AT_MOST);
        arguments[count++] = (char *)(uintptr_t)next;
    }
    arguments[count] = NULL;
}

static void note_running(pid_t before, pid_t now)
{
    size_t i = 0;
    while (i < PROGRAMS_AT_MOST && running[i] != before)
        i++;
    check(i < PROGRAMS_AT_MOST);
    running[i] = now;
}

/* What tests that have failed left behind. */
static void end_the_running(void)
{
    for (size_t i = 0; i < PROGRAMS_AT_MOST; i++)
        if (running[i])
            kill(running[i], SIGKILL);
}

/* Gives the descriptor that its output comes from. */
static int spawn(char *arguments[], pid_t *pid)
{
    static bool registered;
    int fds[2];
    if (!registered)
        atexit(end_the_running);
    registered = true;
    check(pipe(fds) == 0);
    check(fcntl(fds[0], F_SETFD, FD_CLOEXEC) == 0);
    *pid = fork();
    check(*pid >= 0);
    if (*pid == 0) {
        check(dup2(fds[1], STDOUT_FILENO) == STDOUT_FILENO);
        close(fds[1]);
        alarm(LIFE_AT_MOST_S); /* holds for what is executed */
        execvp(arguments[0], arguments);
        _exit(NO_SUCH_COMMAND);
    }
    close(fds[1]);
    note_running(0, *pid);
    return fds[0];
}

static int exit_status(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        check(errno == EINTR);
    note_running(pid, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static size_t read_some(int fd, void *memory, size_t size)
{
    ssize_t n;
    do
        n = read(fd, memory, size);
    while (n < 0 && errno == EINTR);
    check(n >= 0);
    return (size_t)n;
}

/* Of "listening on 127.0.0.1:80" and of "http://127.0.0.1:80/ serves .". */
static void find_address(struct program *program, const char *line)
{
    const char *at = strstr(line, "127.0.0.1:");
    check(at);
    size_t size = strspn(at, "0123456789.:");
    check(size < sizeof program->text);
    memcpy(program->text, at, size);
    program->text[size] = '\0';
    check(evloop_address_parse(&program->address, program->text) == 0);
}

void program_start(struct program *program, const char *path, ...)
{
    char *arguments[ARGUMENTS_AT_MOST];
    char line[256];
    size_t length = 0;
    va_list list;
    va_start(list, path);
    arguments_read(path, list, arguments);
    va_end(list);
    program->output = spawn(arguments, &program->pid);
    do {
        check(length + 1 < sizeof line);
        check(read_some(program->output, line + length, 1) == 1);
    } while (line[length++] != '\n');
    line[length] = '\0';
    find_address(program, line);
}

void program_wait(struct program *program)
{
    int status = exit_status(program->pid);
    assert_int_equal(close(program->output), 0);
    assert_int_equal(status, 0);
}

void program_end(struct program *program)
{
    assert_int_equal(kill(program->pid, SIGTERM), 0);
    program_wait(program);
}

static struct received read_everything(int fd)
{
    struct received all = {NULL, 0, 0};
    size_t n;
    do {
        char *more = realloc(all.data, all.size + 4097);
        check(more);
        all.data = more;
        n = read_some(fd, all.data + all.size, 4096);
        all.size += n;
    } while (n > 0);
    all.data[all.size] = '\0';
    return all;
}

static int run(char *arguments[], char **output)
{
    pid_t pid;
    int fd = spawn(arguments, &pid);
    *output = read_everything(fd).data;
    close(fd);
    return exit_status(pid);
}

char *command(const char *name, ...)
{
    char *arguments[ARGUMENTS_AT_MOST];
    char *output;
    va_list list;
    va_start(list, name);
    arguments_read(name, list, arguments);
    va_end(list);
    int status = run(arguments, &output);
    if (status != 0)
        fail_msg("%s: status %d, after\n%s", name, status, output);
    return output;
}

bool command_exists(const char *name)
{
    char text[64];
    char *output;
    snprintf(text, sizeof text, "command -v %s", name);
    char *arguments[] = {"sh", "-c", text, NULL};
    int status = run(arguments, &output);
    free(output);
    return status == 0;
}

/* ---- a client -------------------------------------------------------------------------------- */

void send_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = net_put(fd, at, size, 0);
        assert_true(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

struct received receive(int fd, size_t size)
{
    struct received received = {NULL, 0, 0};
    size_t room = 0;
    for (;;) {
        if (received.size == room) {
            room = room ? 2 * room : 65536;
            received.data = realloc(received.data, room + 1);
            assert_non_null(received.data);
        }
        size_t wanted = room < size ? room : size;
        ssize_t n = recv(fd, received.data + received.size, wanted - received.size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        received.error = n < 0 ? errno : 0;
        received.size += n > 0 ? (size_t)n : 0;
        received.data[received.size] = '\0';
        if (n <= 0 || received.size == size)
            return received;
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

void folder_make(struct folder *folder)
{
    place_make(folder->path);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_remove(const struct folder *folder)
{
    assert_int_equal(nftw(folder->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *folder_path(const struct folder *folder, const char *name)
{
    static char path[PLACE_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return path;
}

void folder_put(const struct folder *folder, const char *name, size_t size)
{
    FILE *file = fopen(folder_path(folder, name), "w");
    assert_non_null(file);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < PATTERN_SPAN ? size - done : PATTERN_SPAN;
        assert_int_equal(fwrite(pattern_at(done), 1, part, file), part);
        done += part;
    }
    assert_int_equal(fclose(file), 0);
}

void folder_put_text(const struct folder *folder, const char *name, const char *text)
{
    FILE *file = fopen(folder_path(folder, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

bool folder_has(const struct folder *folder, const char *name, size_t size)
{
    int fd = open(folder_path(folder, name), O_RDONLY);
    assert_true(fd >= 0);
    struct received all = read_everything(fd);
    assert_int_equal(close(fd), 0);
    bool same = all.size == size && pattern_matches(all.data, size, 0);
    free(all.data);
    return same;
}
