"""Where Splink computes: in this process on DuckDB, or on a Spark cluster. The model is the same."""

from typing import TYPE_CHECKING, Any

from identity_service.linking.results import LinkingEngineMissing, LinkingSettings

if TYPE_CHECKING:
    from splink.internals.database_api import DatabaseAPI


def open_engine(settings: LinkingSettings) -> "DatabaseAPI[Any]":
    """The engine that the settings name. Raises LinkingEngineMissing."""
    return _open_spark(settings) if settings.engine == "spark" else _open_duckdb()


def _open_duckdb() -> "DatabaseAPI[Any]":
    import duckdb
    from splink import DuckDBAPI

    # Sums of floats depend on the order of rows; a run that repeats itself keeps it.
    return DuckDBAPI(connection=duckdb.connect(config={"preserve_insertion_order": True}))


def _open_spark(settings: LinkingSettings) -> "DatabaseAPI[Any]":
    if not settings.spark_master:
        raise LinkingEngineMissing('the engine "spark" needs spark_master, for example spark://host:7077')
    try:
        from pyspark.sql import SparkSession
        from splink import SparkAPI
        from splink.backends.spark import similarity_jar_location
    except ImportError as missing:
        raise LinkingEngineMissing(
            'the engine "spark" needs the package pyspark in the identity service: install it, or use "duckdb"'
        ) from missing
    builder = SparkSession.builder.master(settings.spark_master).appName("kizuna-linking")
    session = builder.config("spark.jars", similarity_jar_location()).getOrCreate()
    # Steps are kept in the executors' memory and disks: checkpoints would need a directory that all machines share.
    engine: DatabaseAPI[Any] = SparkAPI(  # type: ignore[no-untyped-call]  # Splink left it untyped
        spark_session=session, break_lineage_method="persist"
    )
    return engine
