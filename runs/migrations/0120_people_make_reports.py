"""Runs are put into reports."""

import django.db.models.deletion
import vivaria.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0081_runs_say_what_they_were_made_from'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReportRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('report_name', models.TextField(db_column='reportName')),
                ('created_at', models.BigIntegerField(db_column='createdAt', default=vivaria.clock.now_ms)),
                ('run', models.ForeignKey(db_column='runId', on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runs.run')),
            ],
            options={
                'db_table': 'report_runs_t',
                'constraints': [models.UniqueConstraint(fields=('report_name', 'run'), name='run_once_per_report')],
            },
        ),
    ]
