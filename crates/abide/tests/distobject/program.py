"""A program of distobject, as its users write them.

It runs the published package where it is installed. The package's own way to connect needs aioredis,
which no longer imports, and its call of `hset` means a mapping, which redis-py takes by name: both are
what the client below is for. Where the package is not installed, the class below sends what it sends.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass

import redis.asyncio as redis
import ulid

try:
    from distobject import DistObject
    from distobject.listener import start_listener

    PUBLISHED = True
except ImportError:
    PUBLISHED = False

    class DistObject:
        def __init__(self, client, obj, prefix="object", channel="object-updates"):
            self.redis, self.obj, self.prefix, self.channel = client, obj, prefix, channel
            self.id, self.dirty = None, set()

        def update(self, new):
            before, after = asdict(self.obj), asdict(new)
            self.dirty |= {name for name in after if after[name] != before[name]}
            self.obj = new

        async def save(self):
            values = asdict(self.obj)
            if self.id is None:
                self.id = f"{self.prefix}:{ulid.new().str}"
                self.dirty |= set(values)
            strings = {name: str(values[name]) for name in self.dirty}
            self.dirty = set()
            await self.redis.hset(self.id, strings)
            await self.redis.publish(self.channel, json.dumps({"id": self.id, "changes": strings}))

        async def load(self, key, model):
            strings = await self.redis.hgetall(key)
            self.obj, self.id = model(**strings), key
            return self.obj

    async def start_listener(shared):
        subscription = shared.redis.pubsub()
        await subscription.subscribe(shared.channel)

        async def hear():
            async for message in subscription.listen():
                if message["type"] == "message":
                    said = json.loads(message["data"])
                    if said["id"] == shared.id:
                        for name, text in said["changes"].items():
                            setattr(shared.obj, name, text)

        asyncio.get_running_loop().create_task(hear())


class Client(redis.Redis):
    async def hset(self, name, mapping):
        return await super().hset(name, mapping=mapping)


@dataclass
class User:
    name: str
    email: str
    visits: str
    updated_at: str = "0"


class Recorder(User):
    """A user that remembers every number of visits it was told."""

    def __setattr__(self, field, value):
        super().__setattr__(field, value)
        if field == "visits":
            self.__dict__.setdefault("told", []).append(value)


def say(**what):
    print(json.dumps(what), flush=True)


async def write(client, count):
    """Makes a user and updates it so many times."""
    shared = DistObject(client, User("Alice", "a@example.com", "0"), "user", "user-updates")
    await shared.save()
    say(id=shared.id, published=PUBLISHED)
    for n in range(1, count + 1):
        shared.update(User("Alice", "a@example.com", str(n), shared.obj.updated_at))
        await shared.save()
    say(done=count)


async def hear(client, key, last):
    """Listens to a user until it is told a certain number of visits."""
    shared = DistObject(client, None, "user", "user-updates")
    await shared.load(key, Recorder)
    shared.obj.__dict__["told"] = []
    await start_listener(shared)
    await asyncio.sleep(0.3)
    say(name=shared.obj.name, published=PUBLISHED)
    while shared.obj.visits != last:
        await asyncio.sleep(0.01)
    say(told=shared.obj.__dict__["told"], updated_at=shared.obj.updated_at)


async def rename(client, key, count):
    """Renames a user that others write to, too."""
    shared = DistObject(client, None, "user", "user-updates")
    await shared.load(key, User)
    for n in range(1, count + 1):
        old = shared.obj
        shared.update(User(f"name {n}", old.email, old.visits, old.updated_at))
        await shared.save()
    say(done=count)


async def main():
    url, what, *rest = sys.argv[1:]
    client = Client.from_url(url, decode_responses=True)
    if what == "write":
        await write(client, int(rest[0]))
    elif what == "hear":
        await hear(client, rest[0], rest[1])
    else:
        await rename(client, rest[0], int(rest[1]))


asyncio.run(main())
