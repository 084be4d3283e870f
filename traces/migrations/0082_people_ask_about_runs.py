"""A model is asked about many runs, and its summaries of their steps are kept."""

import django.db.models.deletion
import vivaria.clock
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0072_agents_and_tasks_come_from_git'),
        ('traces', '0081_traces_are_searched'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Analysis',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('question', models.TextField()),
                ('model', models.TextField()),
                ('sql', models.TextField(blank=True, default='')),
                ('run_ids', models.JSONField(db_column='runIds')),
                ('state', models.CharField(choices=[('summarizing', 'Summarizing'), ('answering', 'Answering'), ('done', 'Done'), ('failed', 'Failed')], default='summarizing', max_length=16)),
                ('done_runs', models.PositiveIntegerField(db_column='doneRuns', default=0)),
                ('steps', models.JSONField(default=list)),
                ('answer', models.TextField(blank=True, null=True)),
                ('problem', models.TextField(blank=True, default='')),
                ('cost_usd', models.FloatField(db_column='costUsd', default=0)),
                ('unpriced_calls', models.PositiveIntegerField(db_column='unpricedCalls', default=0)),
                ('created_at', models.BigIntegerField(db_column='createdAt', default=vivaria.clock.now_ms)),
                ('touched_at', models.BigIntegerField(db_column='touchedAt', default=0)),
                ('completed_at', models.BigIntegerField(blank=True, db_column='completedAt', null=True)),
                ('user', models.ForeignKey(db_column='userId', on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'analyses',
                'db_table': 'analyses_t',
                'indexes': [models.Index(fields=['user', '-id'], name='analyses_of_person')],
            },
        ),
        migrations.CreateModel(
            name='EntrySummary',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.BigIntegerField()),
                ('summary', models.TextField()),
                ('run', models.ForeignKey(db_column='runId', db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runs.run')),
            ],
            options={
                'verbose_name_plural': 'entry summaries',
                'db_table': 'trace_entry_summaries_t',
                'constraints': [models.UniqueConstraint(fields=('run', 'index'), name='summary_once_per_entry')],
            },
        ),
    ]
