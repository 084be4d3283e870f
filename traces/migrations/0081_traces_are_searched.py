"""What entries say is found over all traces, from a table that is filled behind."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0071_runs_are_found_by_model'),
        ('traces', '0080_entries_are_found_by_seq'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchedEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.BigIntegerField()),
                ('seq', models.BigIntegerField()),
                ('branch_number', models.PositiveIntegerField(db_column='agentBranchNumber')),
                ('called_at', models.BigIntegerField(db_column='calledAt')),
                ('type', models.TextField()),
                ('text', models.TextField()),
                ('is_cut', models.BooleanField(db_column='isCut')),
                ('words', models.GeneratedField(db_persist=True, expression=django.contrib.postgres.search.SearchVector('text', config='english'), output_field=django.contrib.postgres.search.SearchVectorField())),
            ],
            options={
                'verbose_name_plural': 'searched entries',
                'db_table': 'searched_entries_t',
            },
        ),
        migrations.CreateModel(
            name='SearchMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('settled_seq', models.BigIntegerField(db_column='settledSeq', default=0)),
                ('filled_seq', models.BigIntegerField(db_column='filledSeq', default=0)),
                ('sampled_seq', models.BigIntegerField(db_column='sampledSeq', default=0)),
                ('sampled_at', models.BigIntegerField(db_column='sampledAt', default=0)),
                ('fresh_at', models.BigIntegerField(db_column='freshAt', default=0)),
            ],
            options={
                'db_table': 'search_marks_t',
            },
        ),
        migrations.AddField(
            model_name='searchedentry',
            name='run',
            field=models.ForeignKey(db_column='runId', db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runs.run'),
        ),
        migrations.AddIndex(
            model_name='searchedentry',
            index=django.contrib.postgres.indexes.GinIndex(fields=['words'], name='searched_words'),
        ),
        migrations.AddIndex(
            model_name='searchedentry',
            index=models.Index(fields=['-seq'], name='searched_newest'),
        ),
        migrations.AddConstraint(
            model_name='searchedentry',
            constraint=models.UniqueConstraint(fields=('run', 'index'), name='searched_once_per_entry'),
        ),
    ]
