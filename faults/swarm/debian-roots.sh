# sh debian-roots.sh FOLDER BUILDING DEBOOTSTRAP NODE CERTIFICATES ENTRYPOINT
# Makes FOLDER with two root file systems of Debian 13: base.tar has Node.js and npm, servers.tar has PostgreSQL, RabbitMQ and
# Redis. It appears under its name only when it is complete. BUILDING is a folder that the caller removes.
set -e
folder=$1 building=$2 debootstrap=$3 node=$4 certificates=$5 entrypoint=$6
if [ -e "$folder" ]; then exit 0; fi # another run was faster, and has let go of the lock

debian=$building/debian base=$building/base servers=$building/servers
"$debootstrap" --variant=minbase trixie "$debian" http://deb.debian.org/debian
# No package's own service is to be started.
printf '#!/bin/sh\nexit 101\n' > "$debian/usr/sbin/policy-rc.d"
chmod +x "$debian/usr/sbin/policy-rc.d"
echo '127.0.0.1 localhost' > "$debian/etc/hosts"
chmod 755 "$debian"
cp -a "$debian" "$base"

mv "$debian" "$servers"
chroot "$servers" apt-get install -q -y --no-install-recommends postgresql rabbitmq-server redis-server
rm -rf "$servers"/var/lib/postgresql/*/main
install -m 755 "$entrypoint" "$servers/entrypoint"

install -D -m 755 "$node" "$base/usr/local/bin/node"
# Where the network is looked into, npm needs what this machine trusts.
if [ -e "$certificates" ]; then install -D -m 644 "$certificates" "$base$certificates"; fi
npm install --global --prefix "$base/usr/local" npm@11

mkdir "$building/done"
for root in base servers; do
  rm -rf "$building/$root"/var/cache/apt/* "$building/$root"/var/lib/apt/lists/* "$building/$root"/usr/share/doc/*
  tar --numeric-owner -C "$building/$root" -cf "$building/done/$root.tar" .
done
chmod 755 "$building/done"
rm -rf "$folder.partial"
mv "$building/done" "$folder.partial" # maybe from another file system
mv -T "$folder.partial" "$folder"
