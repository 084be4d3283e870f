"""What was stored since is found over all runs, by an index that costs an insert next to nothing."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("traces", "0060_people_annotate_entries")]

    operations = [
        AddIndexConcurrently(
            model_name="traceentry",
            index=BrinIndex(fields=["seq"], name="entries_by_seq", pages_per_range=32),
        ),
    ]
