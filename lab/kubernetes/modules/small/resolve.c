/* Looks a name up by the resolver of the C library it was compiled with. Usage: resolve NAME */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char address[INET_ADDRSTRLEN];

    if (argc != 2)
        return 2;
    int failed = getaddrinfo(argv[1], NULL, &wanted, &found);
    if (failed) {
        fprintf(stderr, "%s\n", gai_strerror(failed));
        return 1;
    }
    for (; found; found = found->ai_next) {
        struct sockaddr_in *ipv4 = (struct sockaddr_in *)found->ai_addr;
        puts(inet_ntop(AF_INET, &ipv4->sin_addr, address, sizeof address));
    }
    return 0;
}
