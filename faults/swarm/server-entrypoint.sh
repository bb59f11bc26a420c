#!/bin/sh
# The first process of the three servers' containers. It reads what stack.yaml tells the official images of PostgreSQL, RabbitMQ
# and Redis, does the same with Debian's packages, and becomes the server.
set -e
as() {
  user=$1
  shift
  exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"
}

case $1 in
  postgres)
    bin=$(echo /usr/lib/postgresql/*/bin)
    data=/var/lib/postgresql/data
    if [ ! -e "$data/PG_VERSION" ]; then
      chown postgres: "$data"
      (as postgres "$bin/initdb" --pgdata="$data" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C)
      echo "CREATE DATABASE $POSTGRES_USER" | (as postgres "$bin/postgres" --single -D "$data" postgres)
    fi
    shift
    as postgres "$bin/postgres" -D "$data" -c unix_socket_directories= "$@"
    ;;
  redis-server)
    chown redis: /data
    cd /data
    as redis "$@"
    ;;
  rabbitmq-server)
    chown rabbitmq: /var/lib/rabbitmq
    export HOME=/var/lib/rabbitmq
    as rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
    ;;
  *)
    echo "expected postgres, redis-server or rabbitmq-server, got $1" >&2
    exit 64
    ;;
esac
