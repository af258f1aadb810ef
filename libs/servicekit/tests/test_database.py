"""What a connection knows of types."""

from uuid import uuid4

from servicekit.database import Database
from servicekit.embedded.postgres import EmbeddedPostgres


async def test_every_connection_reads_arrays_and_the_types_of_its_own_database(postgres: EmbeddedPostgres) -> None:
    values = [uuid4(), uuid4()]
    for name, labels in (("types_one", "'calm'"), ("types_two", "'calm', 'cross'")):
        database = Database(postgres.ensure_role_and_database(name))
        for attempt in (1, 2):
            connection = await database.connect()
            if attempt == 1:
                await connection.execute(
                    f"CREATE TYPE mood AS ENUM ({labels}); CREATE TYPE felt AS (day int, moods mood[])"
                )
            assert await connection.fetchval("SELECT $1::uuid[]", values) == values
            assert await connection.fetchval("SELECT $1::uuid[]", [None]) == [None]
            felt = await connection.fetchval("SELECT ROW(1, ARRAY['calm'])::felt")
            assert (felt["day"], felt["moods"]) == (1, ["calm"])
            assert await connection.fetchval("SELECT enum_range(NULL::mood)") == labels.replace("'", "").split(", ")
            await connection.close()
        await database.close()
