/* Modbus units of libmodbus, for tests of our reader.
 *
 *   libmodbus_server tcp PORT POINTS      libmodbus_server rtu DEVICE POINTS
 *
 * POINTS has lines "TABLE ADDRESS TYPE ORDER VALUE". What libmodbus encodes in the same way in all its versions (32 bits,
 * high or low word first) is encoded by it, the rest here. A read that begins at holding register 60000 + n is answered with exception n. Unit 99 says
 * nothing over TCP; over a serial line libmodbus lets every unit but its own be silent. Each request is told on stdout.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

enum { UNIT = 1, SILENT = 99, EXCEPTIONS = 60000, MOST = 32 };

static modbus_mapping_t *map;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

/* Puts a value of n words, big-endian in bytes, into registers in this order. */
static void put(uint16_t *at, const uint8_t *bytes, int words, const char *order)
{
    int low_first = strcmp(order, "cdab") == 0 || strcmp(order, "dcba") == 0;
    int swapped = strcmp(order, "badc") == 0 || strcmp(order, "dcba") == 0;
    for (int n = 0; n < words; n++) {
        const uint8_t *two = bytes + 2 * (low_first ? words - 1 - n : n);
        at[n] = swapped ? two[1] << 8 | two[0] : two[0] << 8 | two[1];
    }
}

static void put_whole(uint16_t *at, uint64_t value, int words, const char *order)
{
    uint8_t bytes[8];
    for (int n = 0; n < 2 * words; n++)
        bytes[n] = value >> 8 * (2 * words - 1 - n);
    put(at, bytes, words, order);
}

static void point(const char *table, int address, const char *type, const char *order, const char *value)
{
    uint16_t *at = (strcmp(table, "input") == 0 ? map->tab_input_registers : map->tab_registers) + address;
    if (strcmp(table, "coil") == 0)
        map->tab_bits[address] = atoi(value) != 0;
    else if (strcmp(table, "discrete") == 0)
        map->tab_input_bits[address] = atoi(value) != 0;
    else if (strcmp(type, "u16") == 0 || strcmp(type, "i16") == 0 || strcmp(type, "word") == 0)
        put_whole(at, strtoll(value, NULL, 0), 1, order);
    else if ((strcmp(type, "u32") == 0 || strcmp(type, "i32") == 0) && strcmp(order, "abcd") == 0)
        MODBUS_SET_INT32_TO_INT16(at, 0, (int32_t)strtoll(value, NULL, 0));
    else if (strcmp(type, "u32") == 0 || strcmp(type, "i32") == 0)
        put_whole(at, strtoll(value, NULL, 0), 2, order);
    else if (strcmp(type, "u64") == 0)
        put_whole(at, strtoull(value, NULL, 0), 4, order);
    else if (strcmp(type, "i64") == 0)
        put_whole(at, strtoll(value, NULL, 0), 4, order);
    else if (strcmp(type, "bcd") == 0)
        put_whole(at, strtoull(value, NULL, 16), (int)strlen(value) / 4, order);
    else if (strcmp(type, "string") == 0)
        for (size_t n = 0; n < strlen(value) / 2; n++)
            put(at + n, (const uint8_t *)value + 2 * n, 1, order);
    else if (strcmp(type, "f32") == 0 && strcmp(order, "cdab") == 0)
        modbus_set_float(strtof(value, NULL), at);
    else if (strcmp(type, "f32") == 0) {
        float number = strtof(value, NULL);
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_whole(at, bits, 2, order);
    } else if (strcmp(type, "f64") == 0) {
        double number = strtod(value, NULL);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_whole(at, bits, 4, order);
    } else {
        fprintf(stderr, "type %s is not known\n", type);
        exit(1);
    }
}

static void read_points(const char *path)
{
    char table[16], type[16], order[8], value[64];
    int address;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    while (fscanf(file, "%15s %d %15s %7s %63s", table, &address, type, order, value) == 5)
        point(table, address, type, order, value);
    fclose(file);
}

/* Answers one request; 0 when the connection is over. */
static int serve(modbus_t *ctx, int rtu)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    int length = modbus_receive(ctx, request);
    if (length < 0)
        return 0;
    if (length == 0)
        return 1;
    int head = modbus_get_header_length(ctx);
    int unit = request[head - 1], function = request[head];
    int start = request[head + 1] << 8 | request[head + 2];
    printf("%d %d %d %d\n", unit, function, start, request[head + 3] << 8 | request[head + 4]);
    fflush(stdout);
    if (!rtu && unit == SILENT)
        return 1;
    int answered = function == 3 && start > EXCEPTIONS && start <= EXCEPTIONS + 11
                       ? modbus_reply_exception(ctx, request, start - EXCEPTIONS)
                       : modbus_reply(ctx, request, length, map);
    return answered != -1 || rtu;
}

static void serve_tcp(modbus_t *ctx)
{
    int listener = modbus_tcp_listen(ctx, MOST), highest = listener;
    fd_set all;
    if (listener == -1)
        fail("listen");
    FD_ZERO(&all);
    FD_SET(listener, &all);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        fd_set ready = all;
        if (select(highest + 1, &ready, NULL, NULL, NULL) == -1)
            fail("select");
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int new = modbus_tcp_accept(ctx, &listener);
                if (new != -1) {
                    FD_SET(new, &all);
                    highest = new > highest ? new : highest;
                }
                continue;
            }
            modbus_set_socket(ctx, fd);
            if (!serve(ctx, 0)) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int rtu = strcmp(argv[1], "rtu") == 0;
    modbus_t *ctx = rtu ? modbus_new_rtu(argv[2], 115200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
    map = modbus_mapping_new(65536, 65536, 65536, 65536);
    if (ctx == NULL || map == NULL)
        fail("libmodbus");
    read_points(argv[3]);
    if (!rtu) {
        serve_tcp(ctx);
        return 0;
    }
    if (modbus_set_slave(ctx, UNIT) == -1 || modbus_connect(ctx) == -1)
        fail(argv[2]);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        serve(ctx, 1);
}
